import Foundation
import ProviderCatalog
import TaskModel
import TaskTesting
import Testing

@testable import Daemon
@testable import UpstreamHTTP

/// Tests which providers a start loads and which definitions stop it.
@Suite struct ProvidersTests {
    private func withDirectory(_ files: [String: String], _ test: (String) throws -> Void) throws {
        let directory = "/tmp/pollux-providers-\(UInt32.random(in: .min ... .max))"
        try FileManager.default.createDirectory(atPath: directory + "/providers", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        for (name, text) in files { try Data(text.utf8).write(to: URL(filePath: directory + "/" + name)) }
        try test(directory)
    }

    private func load(_ directory: String, _ environment: [String: String] = [:]) throws(DaemonError) -> Providers {
        let environment = environment.merging(["HOME": directory, "POLLUX_CONFIG": directory + "/pollux.yaml"]) { $1 }
        var settings = try SettingsLoader.load(flags: DaemonFlags(), environment: environment)
        let definitions = try Definitions(in: settings.providersDirectory)
        return try Providers(&settings, definitions, environment: environment)
    }

    @Test func `a definition beside the settings file defines a provider`() throws {
        let files = [
            "pollux.yaml": "log: {level: info}\n", "providers/mine.yaml": DefinitionText.mine,
            "providers/notes.txt": "x",
        ]
        try withDirectory(files) { directory in
            let providers = try load(directory, ["MINE_TOKEN": "secret"])
            #expect(providers.catalog.endpoints.contains { $0.name.text == "mine:make" })
            #expect(providers.hasCredentials(for: "mine") && !providers.hasCredentials(for: "fal"))
            #expect(
                providers.catalog.providers.map(\.name)
                    == ["fal", "google", "mine", "openai", "replicate", "runway", "xhuoapi"])
        }
    }

    @Test func `a definition may have a byte order mark, and variables may be blank`() throws {
        try withDirectory(["pollux.yaml": "", "providers/mine.yaml": "\u{feff}" + DefinitionText.mine]) { directory in
            let providers = try load(
                directory, ["MINE_TOKEN": "  ", "MINE_TOKEN_FILE": "", "POLLUX_PROVIDERS_FAL_BASE_URL": " "])
            #expect(providers.catalog.endpoints.contains { $0.name.text == "mine:make" })
            #expect(!providers.hasCredentials(for: "mine"))
        }
    }

    @Test func `every secret is redacted from replies, and a short one causes a warning`() throws {
        let signed = DefinitionText.mine.replacing(
            "max_requests", with: "auth: {jwt: HS256}\nmax_requests")
        try withDirectory(["pollux.yaml": "", "providers/mine.yaml": signed]) { directory in
            let environment = [
                "XHUOAPI_TOKEN": "xhuoapi-secret-0001", "FAL_KEY": "fal-secret-00000001",
                "MINE_TOKEN": "access-key-000001:signing-key-00001", "OPENAI_API_KEY": "short",
                "REPLICATE_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZg==",
            ].merging(["HOME": directory, "POLLUX_CONFIG": directory + "/pollux.yaml"]) { $1 }
            var settings = try SettingsLoader.load(flags: DaemonFlags(), environment: environment)
            let definitions = try Definitions(in: settings.providersDirectory)
            let redactor = try Providers(&settings, definitions, environment: environment).redactor
            let minted = try #require(
                SignedToken.make(
                    from: environment["MINE_TOKEN"] ?? "", lifetime: .seconds(60), now: Timestamp(milliseconds: 99_000))
            )
            for secret in [
                "xhuoapi-secret-0001", "fal-secret-00000001", "access-key-000001", "signing-key-00001", minted,
                "whsec_MDEyMzQ1Njc4OWFiY2RlZg==",
            ] {
                #expect(redactor.redacted("say \(secret) again") == "say (redacted) again", "\(secret)")
            }
            #expect(redactor.redacted("a short word") == "a short word")
            let warnings = settings.warnings.filter { $0.contains("fewer than 16 characters") }
            #expect(warnings.count == 1 && warnings.first?.hasPrefix("OPENAI_API_KEY ") == true, "\(warnings)")
        }
    }

    @Test func `only a loopback host may receive a token without encryption`() throws {
        try withDirectory(["pollux.yaml": ""]) { directory in
            for (host, isWarned) in [("127.0.0.1.evil.example", true), ("127.0.0.1:8080", false)] {
                let environment = [
                    "HOME": directory, "FAL_KEY": "fal-secret-00000001",
                    "POLLUX_PROVIDERS_FAL_BASE_URL": "http://\(host)",
                ]
                var settings = try SettingsLoader.load(flags: DaemonFlags(), environment: environment)
                _ = try Providers(&settings, Definitions(in: nil), environment: environment)
                #expect(settings.warnings.contains { $0.contains("without encryption") } == isWarned, "\(host)")
            }
        }
    }

    @Test func `an invalid file prevents the start and is reported with its position`() throws {
        let bad = DefinitionText.mine.replacing("make: ", with: "make: ").replacing("{id: /id}", with: "{id: id}")
        try withDirectory(["pollux.yaml": "", "providers/mine.yaml": bad]) { directory in
            let error = #expect(throws: DaemonError.self) { try load(directory) }
            #expect(
                error?.message.hasPrefix(
                    "\(directory)/providers/mine.yaml, line 7: endpoints.make.accepted.id: \"id\" is not a JSON pointer"
                )
                    == true)
        }
    }

    @Test func `a bundled provider cannot be redefined`() throws {
        let other = DefinitionText.mine.replacing("provider: mine", with: "provider: replicate")
        try withDirectory(["pollux.yaml": "", "providers/x.yml": other]) { directory in
            let error = #expect(throws: DaemonError.self) { try load(directory) }
            #expect(error?.message.contains("providers/x.yml: replicate is defined a second time") == true)
        }
    }

    @Test func `the environment overrides the settings for base URLs and token files`() throws {
        let settings = "providers:\n  fal:\n    base_url: https://proxy.example/fal/\n    token_file: \"~/fal.token\"\n"
        try withDirectory(["pollux.yaml": settings, "fal.token": "from-file\n"]) { directory in
            let providers = try load(directory)
            #expect(providers.catalog.provider("fal")?.baseURL == "https://proxy.example/fal")
            #expect(providers.tokens == ["fal": "from-file"])
            let moved = try load(
                directory, ["POLLUX_PROVIDERS_FAL_BASE_URL": "https://other.example", "FAL_KEY": "own"])
            #expect(moved.catalog.provider("fal")?.baseURL == "https://other.example")
            #expect(moved.tokens == ["fal": "own"])
            #expect(moved.access["fal"]?.authentication == .header(name: "Authorization", prefix: "Key "))
        }
    }

    @Test func `settings of an unknown provider prevent the start`() throws {
        try withDirectory(["pollux.yaml": "providers:\n  replicat:\n    base_url: https://x.example\n"]) { directory in
            let error = #expect(throws: DaemonError.self) { try load(directory) }
            #expect(
                error?.message.contains("line 3: there is no provider \"replicat\". Did you mean \"replicate\"?")
                    == true)
        }
        try withDirectory(["pollux.yaml": "providers:\n  fal:\n    speed: 3\n"]) { directory in
            let error = #expect(throws: DaemonError.self) { try load(directory) }
            #expect(error?.message.contains("there is no setting \"providers.fal.speed\"") == true)
        }
        try withDirectory(["pollux.yaml": ""]) { directory in
            let error = #expect(throws: DaemonError.self) {
                try load(directory, ["POLLUX_PROVIDERS_FALL_BASE_URL": "https://x.example"])
            }
            #expect(error?.message.contains("Did you mean POLLUX_PROVIDERS_FAL_BASE_URL?") == true)
        }
    }
}
