// swift-tools-version: 6.3
import PackageDescription

// The rooms of the house, one target each. A target depends only on targets listed above it;
// `swift build --explicit-target-dependency-import-check error` keeps them honest.

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let asyncAlgorithms = Target.Dependency.product(name: "AsyncAlgorithms", package: "swift-async-algorithms")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let sqlite = Target.Dependency.product(name: "GRDBSQLite", package: "GRDB.swift")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let hummingbirdTLS = Target.Dependency.product(name: "HummingbirdTLS", package: "hummingbird")
let hummingbirdTesting = Target.Dependency.product(name: "HummingbirdTesting", package: "hummingbird")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioExtras = Target.Dependency.product(name: "NIOExtras", package: "swift-nio-extras")
let nioHTTPTypes = Target.Dependency.product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "pollux",
    platforms: [.macOS(.v15)],
    products: [.executable(name: "pollux", targets: ["pollux"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-async-algorithms", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.35.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // Files of more than 10 KB, in C: as `.embedInCode` each costs seconds of every build.
        .target(name: "EmbeddedFiles"),
        // The files of the dashboard's page, in C for the same reason.
        .target(name: "DashboardPage", exclude: ["page"]),
        // Pure rooms: values and rules; no I/O, no clock, no dice.
        .target(name: "VerbatimJSON"),
        .target(name: "Text"),
        .target(name: "TaskModel", dependencies: ["VerbatimJSON"]),
        .target(name: "PollingPolicy", dependencies: ["TaskModel"]),
        .target(name: "RateLimiting", dependencies: ["TaskModel"]),
        .target(
            name: "ProviderCatalog", dependencies: ["EmbeddedFiles", "TaskModel", "Text", "VerbatimJSON", yams],
            exclude: ["Definitions/xhuoapi.yaml"],
            resources: [
                .embedInCode("Definitions/fal.yaml"), .embedInCode("Definitions/replicate.yaml"),
                .embedInCode("Definitions/openai.yaml"), .embedInCode("Definitions/google.yaml"),
                .embedInCode("Definitions/runway.yaml"), .embedInCode("Definitions/xhuoapi-guide.yaml"),
            ]),
        .target(name: "TaskStore", dependencies: ["TaskModel", "VerbatimJSON", crypto]),
        // The SQL of the store, once for all databases.
        .target(name: "StoreSQL", dependencies: ["TaskStore", "TaskModel", "VerbatimJSON"]),
        .target(name: "LocalAPIContract", dependencies: ["Text", "VerbatimJSON"]),

        // Effectful rooms.
        // What bounds the memory of bodies and replies, and the files that take the rest.
        .target(name: "BoundedMemory"),
        // What the socket and the callback listener share of HTTP.
        .target(
            name: "HTTPServing",
            dependencies: [
                "Text", "VerbatimJSON", hummingbird, hummingbirdCore, hummingbirdTLS, httpTypes, nioCore, nioExtras,
                nioHTTP1, nioHTTPTypes, nioPosix, nioSSL, logging, serviceLifecycle,
            ]),
        // What the daemon and the service manager that started it, such as systemd, tell each other.
        .target(name: "ServiceManager"),
        // Settings of SQLite that Swift cannot make.
        .target(name: "SQLiteSettings", linkerSettings: [.linkedLibrary("sqlite3")]),
        // Statements and columns without GRDB's conversions: docs/sqlite.md.
        .target(name: "SQLiteRaw", dependencies: ["SQLiteSettings", "StoreSQL", grdb, sqlite]),
        // How the process keeps freed memory and its code, which Swift cannot say either.
        .target(name: "ProcessMemory"),
        // What a new process inherits, which Swift cannot say in full.
        .target(name: "SpawnSettings"),
        // When a file was created, which Swift cannot ask.
        .target(name: "FileTimes"),
        .target(name: "FileIdentity", dependencies: ["FileTimes"]),
        .target(
            name: "SQLiteMigrations", path: "migrations/sqlite",
            resources: [
                .embedInCode("0001_create_task.sql"), .embedInCode("0002_learn_durations.sql"),
                .embedInCode("0003_count_tasks.sql"), .embedInCode("0004_take_callbacks.sql"),
                .embedInCode("0005_count_by_commit.sql"), .embedInCode("0006_check_without_lists.sql"),
                .embedInCode("0007_doubt_times.sql"),
                .embedInCode("0008_know_records.sql"), .embedInCode("0009_sum_clock_jumps.sql"),
                .embedInCode("0010_keep_given_up_attempts.sql"), .embedInCode("0011_log_without_task.sql"),
                .embedInCode("0012_add_note.sql"), .embedInCode("0013_store_results.sql"),
                .embedInCode("0014_hold_leases.sql"), .embedInCode("0015_remember_epoch.sql"),
                .embedInCode("0016_link_retries.sql"), .embedInCode("0017_name_accounts.sql"),
                .embedInCode("0018_remove_details.sql"),
                .embedInCode("0019_remove_stubs.sql"),
                .embedInCode("0020_notify_destinations.sql"),
                .embedInCode("0021_save_results.sql"),
                .embedInCode("0023_pass_through_gateway.sql"), .embedInCode("0026_gateway_addresses.sql"),
                .embedInCode("0027_join_equal_submissions.sql"), .embedInCode("0028_keep_parts.sql"),
                .embedInCode("0029_keep_ledger.sql"), .embedInCode("0030_notify_without_task.sql"),
            ]),
        .target(
            name: "SQLiteDriver",
            dependencies: [
                "FileIdentity",
                "TaskStore", "TaskModel", "VerbatimJSON", "SQLiteMigrations", "SQLiteRaw", "StoreSQL", crypto, grdb,
            ]),
        // Debian's libpq: the protocol, the addresses and the passwords of PostgreSQL.
        .systemLibrary(name: "CPostgreSQL", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .target(
            name: "PostgresMigrations", path: "migrations/postgres",
            resources: [.embedInCode("0001_create_tables.sql")]),
        .target(
            name: "PostgresDriver",
            dependencies: [
                "CPostgreSQL", "FileIdentity", "PostgresMigrations", "StoreSQL", "TaskModel", "TaskStore",
                "VerbatimJSON", crypto,
            ]),
        // Moves a SQLite store to PostgreSQL.
        .target(
            name: "StoreExport",
            dependencies: ["PostgresDriver", "SQLiteDriver", "StoreSQL", "TaskModel", "TaskStore", crypto]),
        .systemLibrary(name: "CZlib"),
        .target(name: "ContentCoding", dependencies: ["CZlib"]),
        .target(
            name: "UpstreamHTTP",
            dependencies: [
                "BoundedMemory", "ContentCoding", "ProviderCatalog", "TaskModel", "Text", "VerbatimJSON",
                asyncHTTPClient,
                crypto,
                nioCore, nioHTTP1, nioSSL, nioPosix,
            ]),
        .target(
            name: "TaskEngine",
            dependencies: [
                "TaskModel", "PollingPolicy", "RateLimiting", "ProviderCatalog", "TaskStore", "Text", "VerbatimJSON",
                crypto, logging, serviceLifecycle,
            ]),
        // Files of results: downloads, and where they are kept.
        .target(
            name: "Artefacts",
            dependencies: [
                "ProviderCatalog", "TaskEngine", "TaskModel", "TaskStore", "Text", "UpstreamHTTP", asyncHTTPClient,
                crypto, nioCore, nioHTTP1, nioPosix,
            ]),
        // Takes notifications to their receivers: over HTTP, or by a program.
        .target(
            name: "NotificationSending",
            dependencies: [
                "ProviderCatalog", "TaskEngine", "TaskModel", "TaskStore", "Text", "UpstreamHTTP", "VerbatimJSON",
                "SpawnSettings",
                asyncHTTPClient, crypto, nioCore, nioHTTP1, nioPosix, nioSSL, serviceLifecycle,
            ]),
        .target(
            name: "LocalAPI",
            dependencies: [
                "BoundedMemory", "EmbeddedFiles", "HTTPServing", "TaskEngine", "TaskModel", "LocalAPIContract",
                "Text", "VerbatimJSON", hummingbird, hummingbirdCore, httpTypes, nioCore, logging,
                serviceLifecycle,
            ],
            exclude: ["openapi.json"]),
        // The page for people, and the local API for it.
        .target(
            name: "Dashboard",
            dependencies: [
                "ContentCoding", "DashboardPage", "HTTPServing", "LocalAPI", "LocalAPIContract", "ProviderCatalog",
                "TaskEngine", "TaskModel", "TaskStore", "Text", "VerbatimJSON", crypto, hummingbird, hummingbirdCore,
                httpTypes,
                nioCore, logging, serviceLifecycle,
            ]),
        .target(
            name: "CallbackAPI",
            dependencies: [
                "HTTPServing", "TaskEngine", "TaskModel", "RateLimiting", "ContentCoding", "VerbatimJSON",
                hummingbird, hummingbirdCore, hummingbirdTLS, httpTypes, nioCore, nioHTTPTypes, nioSSL, logging,
                serviceLifecycle,
            ]),
        .target(
            name: "Gateway",
            dependencies: [
                "BoundedMemory", "HTTPServing", "ProviderCatalog", "TaskEngine", "TaskModel", "TaskStore", "Text",
                "UpstreamHTTP", "VerbatimJSON", asyncAlgorithms, crypto, hummingbird, hummingbirdCore, httpTypes,
                nioCore,
                logging, serviceLifecycle,
            ]),
        .target(
            name: "LocalAPIClient",
            dependencies: ["LocalAPIContract", "Text", "VerbatimJSON", asyncHTTPClient, nioCore, nioHTTP1]),
        .target(
            name: "Daemon",
            dependencies: [
                "Artefacts", "Dashboard", "Gateway", "HTTPServing", "LocalAPI", "CallbackAPI",
                "NotificationSending", "ServiceManager", "TaskEngine", "UpstreamHTTP",
                "PostgresDriver", "ProcessMemory", "SQLiteDriver", "StoreExport",
                "TaskStore",
                "ProviderCatalog",
                "PollingPolicy", "TaskModel", "LocalAPIContract", "Text", "VerbatimJSON", crypto, hummingbird, nioCore,
                nioPosix, logging, serviceLifecycle, unixSignals,
                yams,
            ]),
        // The simulated provider shares no code with our reading of the real one.
        .target(
            name: "Sandbox",
            dependencies: [
                hummingbird, httpTypes, asyncHTTPClient, crypto, nioCore, nioHTTP1, nioSSL, logging, serviceLifecycle,
            ]),
        // The judge of the schedule: plays the policy against known durations, without waiting.
        .executableTarget(name: "PollingSimulator", dependencies: ["PollingPolicy", "Randomness", "TaskModel"]),
        .executableTarget(
            name: "pollux",
            dependencies: [
                "Daemon", "Sandbox", "LocalAPIClient", "LocalAPIContract", "Text", "VerbatimJSON", argumentParser,
                logging,
                serviceLifecycle, unixSignals,
            ]),

        // Not part of the product: figures for scripts/run-benchmarks.sh.
        .executableTarget(
            name: "benchmarks",
            dependencies: [
                "TaskEngine", "PollingPolicy", "PostgresDriver", "PostgresTesting", "ProviderCatalog", "UpstreamHTTP",
                "SQLiteDriver", "SQLiteMigrations", "TaskStore", "TaskModel", "VerbatimJSON", asyncHTTPClient, grdb,
                hummingbird, logging, nioCore,
                nioHTTP1, nioPosix,
            ],
            path: "Sources/Benchmarks"),

        // Tests.
        // Seeded chance for tests and the simulator. The sandbox has its own, because it imports no room of ours.
        .target(name: "Randomness"),
        .target(
            name: "TaskTesting",
            dependencies: [
                "TaskEngine", "TaskModel", "ProviderCatalog", "PollingPolicy", "Randomness", "TaskStore",
                "SQLiteDriver", "VerbatimJSON", logging,
            ],
            path: "Tests/TaskTesting"),
        .target(name: "HTTPTesting", dependencies: [nioCore, nioPosix, nioSSL], path: "Tests/HTTPTesting"),
        .testTarget(name: "VerbatimJSONTests", dependencies: ["VerbatimJSON"]),
        .testTarget(name: "TextTests", dependencies: ["Text"]),
        .testTarget(name: "ContentCodingTests", dependencies: ["ContentCoding", "CZlib"]),
        .testTarget(name: "BoundedMemoryTests", dependencies: ["BoundedMemory"]),
        .testTarget(
            name: "HTTPServingTests",
            dependencies: [
                "HTTPServing", "HTTPTesting", hummingbird, hummingbirdCore, hummingbirdTesting, httpTypes, logging,
                nioCore, nioPosix, serviceLifecycle,
            ]),
        .testTarget(name: "ServiceManagerTests", dependencies: ["ServiceManager"]),
        .testTarget(name: "TaskModelTests", dependencies: ["Randomness", "TaskModel", "VerbatimJSON", "TaskTesting"]),
        .testTarget(
            name: "PollingPolicyTests",
            dependencies: ["PollingPolicy", "PollingSimulator", "Randomness", "TaskModel", "TaskTesting"]),
        .testTarget(
            name: "RateLimitingTests", dependencies: ["Randomness", "RateLimiting", "TaskModel", "TaskTesting"]),
        .testTarget(
            name: "ProviderCatalogTests",
            dependencies: ["ProviderCatalog", "Randomness", "TaskModel", "TaskTesting", "VerbatimJSON"],
            resources: [.copy("Fixtures")]),
        .testTarget(name: "SQLiteRawTests", dependencies: ["SQLiteRaw", "StoreSQL", "TaskModel", "TaskTesting", grdb]),
        // A real server for tests.
        .target(name: "PostgresTesting", dependencies: ["CPostgreSQL"], path: "Tests/PostgresTesting"),
        .testTarget(
            name: "PostgresDriverTests",
            dependencies: [
                "PostgresDriver", "PostgresMigrations", "PostgresTesting", "StoreSQL", "TaskModel", "TaskStore",
                "TaskTesting", "VerbatimJSON",
            ]),
        .testTarget(
            name: "StoreExportTests",
            dependencies: [
                "PostgresDriver", "PostgresTesting", "Randomness", "SQLiteDriver", "StoreExport", "TaskModel",
                "TaskStore", "TaskTesting", "VerbatimJSON",
            ]),
        // What a disk does, in the test's hands.
        .target(name: "DiskFaults", path: "Tests/DiskFaults"),
        .testTarget(
            name: "TaskStoreTests",
            dependencies: [
                "DiskFaults", "PostgresDriver", "PostgresTesting", "Randomness", "TaskStore", "SQLiteDriver",
                "SQLiteMigrations", "SQLiteRaw", "StoreSQL", "TaskModel", "VerbatimJSON", "TaskTesting", grdb,
            ]),
        .testTarget(
            name: "TaskEngineTests",
            dependencies: [
                "BoundedMemory", "Randomness", "TaskEngine", "SQLiteDriver", "TaskStore", "ProviderCatalog",
                "PollingPolicy", "RateLimiting", "TaskModel", "VerbatimJSON", "TaskTesting", crypto, grdb, logging,
                sqlite,
            ]),
        .testTarget(
            name: "SimulationTests",
            dependencies: [
                "Randomness", "TaskEngine", "SQLiteDriver", "SQLiteRaw", "StoreSQL", "TaskStore", "ProviderCatalog",
                "PollingPolicy", "PostgresDriver", "PostgresTesting", "TaskModel", "VerbatimJSON", "TaskTesting", grdb,
                logging,
            ]),
        .testTarget(
            name: "UpstreamHTTPTests",
            dependencies: [
                "UpstreamHTTP", "BoundedMemory", "HTTPTesting", "ProviderCatalog", "TaskModel", "TaskTesting", "Text",
                asyncHTTPClient, nioCore, nioPosix, nioHTTP1, nioSSL,
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "ArtefactsTests",
            dependencies: [
                "Artefacts", "ProviderCatalog", "Sandbox", "TaskEngine", "TaskModel", "TaskStore", "TaskTesting",
                "Text",
                "UpstreamHTTP", crypto, logging, nioPosix, serviceLifecycle,
            ]),
        .testTarget(
            name: "CallbackAPITests",
            dependencies: [
                "CallbackAPI", "TaskEngine", "TaskModel", "TaskStore", "SQLiteDriver", "ProviderCatalog",
                "TaskTesting",
                "VerbatimJSON", hummingbird, nioCore, nioPosix, nioSSL, logging, serviceLifecycle,
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "GatewayTests",
            dependencies: [
                "Gateway", "HTTPTesting", "TaskEngine", "TaskModel", "TaskStore", "ProviderCatalog", "TaskTesting",
                "UpstreamHTTP", "VerbatimJSON", hummingbird, httpTypes, nioCore, nioPosix, logging, serviceLifecycle,
            ]),
        .testTarget(
            name: "DashboardTests",
            dependencies: [
                "Dashboard", "DashboardPage", "HTTPServing", "HTTPTesting", "LocalAPI", "ProviderCatalog", "TaskEngine",
                "TaskModel", "TaskStore", "TaskTesting", "VerbatimJSON", hummingbird, httpTypes, nioCore, nioPosix,
                logging, serviceLifecycle,
            ]),
        .testTarget(
            name: "NotificationSendingTests",
            dependencies: [
                "NotificationSending", "HTTPTesting", "ProviderCatalog", "TaskEngine", "TaskModel", "TaskStore", "Text",
                "TaskTesting", "UpstreamHTTP", "VerbatimJSON", nioPosix,
            ]),
        .testTarget(
            name: "LocalAPITests",
            dependencies: [
                "LocalAPI", "LocalAPIContract", "BoundedMemory", "HTTPServing", "HTTPTesting", "TaskEngine",
                "SQLiteDriver",
                "TaskStore", "ProviderCatalog",
                "PollingPolicy", "TaskModel", "VerbatimJSON", "TaskTesting", hummingbird, hummingbirdTesting, httpTypes,
                nioCore, nioEmbedded, nioPosix, logging, serviceLifecycle,
            ]),
        .testTarget(
            name: "LocalAPIContractTests", dependencies: ["LocalAPIContract", "VerbatimJSON"],
            // The test reads it from the source tree and records it there.
            exclude: ["Golden"]),
        .testTarget(
            name: "CommandLineTests",
            dependencies: [
                "pollux", "LocalAPIClient", "LocalAPIContract", "VerbatimJSON", argumentParser, hummingbird, logging,
                nioCore, serviceLifecycle,
            ]),
        .testTarget(
            name: "DaemonTests",
            dependencies: [
                "Artefacts", "Daemon", "Dashboard", "Gateway", "LocalAPI", "ProviderCatalog", "SQLiteDriver",
                "ServiceManager", "TaskEngine", "TaskModel", "TaskStore", "TaskTesting", "UpstreamHTTP",
                "VerbatimJSON", logging,
            ]),
        .testTarget(
            name: "SandboxTests",
            dependencies: [
                "Sandbox", "ProviderCatalog", "TaskModel", "VerbatimJSON", httpTypes, nioCore, nioPosix, logging,
                serviceLifecycle,
            ],
            exclude: ["Clients"]),
        // What libFuzzer and the seeded mutations run.
        .target(
            name: "FuzzTargets",
            dependencies: ["LocalAPIContract", "ProviderCatalog", "TaskModel", "Text", "VerbatimJSON"],
            path: "Tests/FuzzTargets"),
        .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets", "Randomness"], resources: [.copy("Corpus")]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "pollux", "LocalAPIClient", "LocalAPIContract", "PostgresTesting", "Randomness", "VerbatimJSON", crypto,
            ],
            exclude: ["Clients"]),
    ]
)

// libFuzzer brings a `main` of its own, so this links only with `--sanitize fuzzer`: scripts/run-fuzzer.sh.
if Context.environment["POLLUX_FUZZER"] != nil {
    package.targets.append(
        .executableTarget(name: "fuzzer", dependencies: ["FuzzTargets"], path: "Tests/Fuzzer"))
}

let inC = [
    "CPostgreSQL", "CZlib", "DashboardPage", "DiskFaults", "EmbeddedFiles", "FileTimes", "ProcessMemory",
    "SQLiteSettings", "SpawnSettings",
]
for target in package.targets where !inC.contains(target.name) { target.swiftSettings = strict }
