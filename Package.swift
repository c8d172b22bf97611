// swift-tools-version: 6.1
import PackageDescription

// Dependencies point down only (docs/architecture.md draws the house):
//   minidock (CLI) -> Engine -> Image, Runtime, Net -> Linux -> C shim and system libraries
//   minidock-oci -> OCI -> Runtime

let strict: [SwiftSetting] = [
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("ExistentialAny"),
]

let package = Package(
  name: "minidock",
  products: [
    .executable(name: "minidock", targets: ["minidock"]),
    .executable(name: "minidock-oci", targets: ["minidock-oci"]),
    .executable(name: "minidock-registry", targets: ["minidock-registry"]),
    .library(name: "Engine", targets: ["Engine"]),
    .library(name: "Image", targets: ["Image"]),
    .library(name: "Runtime", targets: ["Runtime"]),
    .library(name: "Net", targets: ["Net"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.100.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.30.0"),
    .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
  ],
  targets: [
    // The C boundary.
    .target(name: "CLinux"),
    // Without pkgConfig: it would put the system's folder, and with it the shared libraries, in front of
    // the folder of static ones that `make build` links with.
    .systemLibrary(name: "CArchive", providers: [.apt(["libarchive-dev"])]),
    .systemLibrary(name: "CCap", providers: [.apt(["libcap-dev"])]),
    .systemLibrary(name: "CMnl", providers: [.apt(["libmnl-dev"])]),
    .systemLibrary(name: "CSeccomp", providers: [.apt(["libseccomp-dev"])]),

    .target(name: "Linux", dependencies: ["CLinux"], swiftSettings: strict),
    .target(
      name: "Image",
      dependencies: ["Linux", "CArchive", .product(name: "Crypto", package: "swift-crypto")],
      swiftSettings: strict),
    .target(
      name: "Runtime", dependencies: ["Linux", "CCap", "CSeccomp"], swiftSettings: strict),
    .target(name: "Net", dependencies: ["Linux", "CMnl"], swiftSettings: strict),
    .target(
      name: "Engine", dependencies: ["Image", "Runtime", "Net", "RegistryExchange", "Linux"],
      swiftSettings: strict),
    .executableTarget(
      name: "minidock",
      dependencies: [
        "Engine", "Image", "OCI", "Runtime", "Net", "Linux",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Sources/CLI", swiftSettings: strict),

    // The OCI runtime: commands, and the program that engines start several times for each container. It is
    // linked without any shared library, and has no more in it than that needs.
    .target(name: "OCI", dependencies: ["Runtime", "Linux"], swiftSettings: strict),
    .executableTarget(
      name: "minidock-oci", dependencies: ["OCI", "Runtime", "Linux"], path: "Sources/OCIProgram",
      swiftSettings: strict),

    // A program of its own: HTTP, TLS and JSON of strangers, with threads and Foundation, stay out of the
    // process that clones, and out of every other start. RegistryExchange is what the two say to each other.
    .target(name: "RegistryExchange", dependencies: ["Linux"], swiftSettings: strict),
    .target(
      name: "RegistryClient",
      dependencies: [
        "Linux", "RegistryExchange",
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "TOMLKit", package: "TOMLKit"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "minidock-registry", dependencies: ["Linux", "RegistryClient"],
      path: "Sources/Registry", swiftSettings: strict),

    // Tests/VM holds scripts, not a target: Tests/IntegrationTests drives it.
    .target(
      name: "TestSupport",
      dependencies: ["Linux", .product(name: "Crypto", package: "swift-crypto")],
      path: "Tests/TestSupport",
      swiftSettings: strict),
    // Mutated documents of bundles: built for release, run by hand for millions (docs/oci-runtime.md).
    .executableTarget(
      name: "minidock-fuzz", dependencies: ["Linux", "Runtime"], path: "Tests/Fuzz",
      swiftSettings: strict),
    .testTarget(name: "LinuxTests", dependencies: ["Linux", "TestSupport"], swiftSettings: strict),
    .testTarget(name: "ImageTests", dependencies: ["Image", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "RuntimeTests", dependencies: ["Runtime", "TestSupport"], swiftSettings: strict),
    .testTarget(name: "NetTests", dependencies: ["Net", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "EngineTests", dependencies: ["Engine", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "CLITests", dependencies: ["minidock", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "RegistryClientTests",
      dependencies: ["RegistryClient", "RegistryExchange", "Linux", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "IntegrationTests", dependencies: ["TestSupport"], swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
