import Linux
print("minidock")
