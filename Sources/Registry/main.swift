import AsyncHTTPClient
import TOMLKit

let table = try TOMLTable(string: "a = 1")
let client = HTTPClient(eventLoopGroup: HTTPClient.defaultEventLoopGroup)
try client.syncShutdown()
print(table.convert())
