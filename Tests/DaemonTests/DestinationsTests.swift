import Foundation
import TaskEngine
import TaskModel
import TaskTesting
import Testing

@testable import Daemon

/// Tests how destinations of notifications are read from the settings.
@Suite struct DestinationsTests {
    private let directory: TemporaryDirectory
    private let at = Timestamp(milliseconds: 1_795_000_000_000)

    init() throws { directory = try TemporaryDirectory() }

    private func write(_ text: String, to name: String, mode: Int = 0o600) throws {
        try Data(text.utf8).write(to: URL(filePath: directory.file(name)))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: directory.file(name))
    }

    /// The configuration with these lines below `notifications.destinations`.
    private func load(_ destinations: String, after former: Configuration? = nil) throws -> Configuration {
        let lines = destinations.split(separator: "\n").map { "    " + $0 }
        try write("notifications:\n  destinations:\n" + lines.joined(separator: "\n") + "\n", to: "pollux.yaml")
        return try reload(after: former)
    }

    private func reload(after former: Configuration? = nil) throws -> Configuration {
        try Configuration(
            flags: DaemonFlags(),
            environment: ["HOME": directory.path, "POLLUX_CONFIG": directory.file("pollux.yaml")],
            at: at, after: former)
    }

    private func refusal(_ destinations: String) throws -> String {
        do {
            _ = try load(destinations)
            Issue.record("It was accepted: \(destinations)")
            return ""
        } catch let error as DaemonError {
            return error.message
        }
    }

    @Test func `a destination is read with everything that it may have`() throws {
        try write(
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX\n# the former one\n\n\(String(repeating: "s", count: 30))\n",
            to: "secret")
        let configuration = try load(
            """
            backend:
              url: https://app.example/hook?x=1
              events: [task.succeeded, task.late_record]
              endpoints: [suno/audios, flux/*]
              labels: {team: audio, n: 7}
              include: [results, request]
              secret_file: \(directory.file("secret"))
            shop: {unix: /run/shop.sock}
            desk: {exec: [/bin/notify, --short], endpoints: []}
            """)
        let destinations = configuration.engine.destinations
        #expect(destinations.map(\.name.text) == ["backend", "shop", "desk"])
        let backend = destinations[0]
        #expect(backend.target == .url("https://app.example/hook?x=1"))
        #expect(backend.types == [.state(.succeeded), .lateRecord])
        #expect(backend.endpoints == ["suno/audios", "flux/*"])
        #expect(backend.labels == ["team": "audio", "n": "7"])
        #expect(backend.parts == [.results, .request])
        #expect(backend.secrets == [[UInt8](0...23), [UInt8](repeating: 115, count: 30)])
        #expect(backend.shownTarget == "https://app.example")
        #expect(destinations[1].target == .socket("/run/shop.sock"))
        #expect(destinations[1].types == NotificationType.usual)
        #expect(destinations[2].target == .program(["/bin/notify", "--short"]))
        #expect(destinations[2].endpoints == [])
        #expect(configuration.settings.warnings == [])
    }

    @Test func `addresses that tasks bring are a destination if the settings allow them`() throws {
        for (word, policy) in [("https", TaskURLPolicy.https), ("loopback", .loopback), ("off", .off)] {
            try write("notifications:\n  task_urls: \(word)\n", to: "pollux.yaml")
            let targets = try reload().engine.destinations.map(\.target)
            #expect(targets == (policy == .off ? [] : [.taskURLs(policy)]))
        }
        try write("notifications:\n  task_urls: all\n", to: "pollux.yaml")
        #expect(throws: DaemonError.self) { try reload() }
        #expect(try refusal("task_urls: {url: \"https://a.example\"}").contains("another name"))
    }

    @Test(arguments: [
        ("backend: {url: \"https://a.example\", events: [task.succeded]}", "Did you mean \"task.succeeded\"?"),
        ("backend: {url: \"https://a.example\", events: [task.warning]}", "There are task.queued"),
        ("backend: {url: \"https://a.example\", events: []}", "must name one at least"),
        ("backend: {url: \"https://a.example\", evnts: [task.failed]}", "Did you mean \"events\"?"),
        ("backend: {url: \"https://a.example\", endpoints: [suno/audio]}", "Did you mean \"suno/audios\"?"),
        ("backend: {url: \"https://a.example\", include: [result]}", "Did you mean \"results\"?"),
        ("backend: {url: \"https://a.example\", exec: [/bin/true]}", "exactly one of url, unix and exec"),
        ("backend: {labels: {a: b}}", "exactly one of url, unix and exec"),
        ("backend: {url: \"ftp://a.example\"}", "must be an address"),
        ("backend: {unix: run.sock}", "absolute path of a socket"),
        ("backend: {exec: [notify]}", "absolute path of a program"),
        ("backend: {exec: /bin/true}", "must be a list"),
        ("Back End: {unix: /s}", "small letters"),
        ("backend: {exec: [/bin/true], secret_file: /s}", "a program gets no signature"),
        ("backend: {url: \"https://a.example\", secret_file: /no/such/file}", "cannot be read"),
        ("backend: /bin/true", "must be a list of names with values"),
    ])
    func `a mistake is named with its place`(yaml: String, words: String) throws {
        let message = try refusal(yaml)
        #expect(message.contains(words), "\(message)")
    }

    @Test func `a password in an address is refused and not repeated`() throws {
        let message = try refusal("backend: {url: \"https://me:hunter2@a.example/\"}")
        #expect(!message.contains("hunter2"))
        #expect(message.contains("without a user"))
    }

    @Test func `weak secrets, open files and open networks draw a warning`() throws {
        try write("short\n", to: "secret", mode: 0o644)
        let configuration = try load(
            "backend: {url: \"http://a.example/h\", secret_file: \(directory.file("secret"))}")
        for words in ["fewer than 24 bytes", "Other users can read the secret file", "without encryption"] {
            #expect(configuration.settings.warnings.contains { $0.contains(words) }, "\(words)")
        }
        try write("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", to: "secret")
        #expect(try reload().settings.warnings.contains { $0.contains("write whsec_ before it") })
        try write("whsec_***\n", to: "secret")
        #expect(throws: DaemonError.self) { try reload() }
        try write("\n", to: "secret")
        #expect(throws: DaemonError.self) { try reload() }
    }

    @Test func `a secret that cannot be read again stays in use`() throws {
        try write(String(repeating: "a", count: 32), to: "secret")
        let first = try load("backend: {url: \"https://a.example/h\", secret_file: \(directory.file("secret"))}")
        try FileManager.default.removeItem(atPath: directory.file("secret"))
        let second = try first.withTokens(readAgainIn: ["HOME": directory.path])
        #expect(second.engine.destinations == first.engine.destinations)
        #expect(second.settings.tokenProblems.count == 1)
        // A reload refuses it.
        #expect(throws: DaemonError.self) { try reload(after: second) }
    }

    @Test func `a changed destination and a changed secret are named, without the secret`() throws {
        try write(String(repeating: "a", count: 32), to: "secret")
        let yaml = "backend: {url: \"https://a.example/h\", secret_file: \(directory.file("secret"))}"
        let first = try load(yaml)
        let second = try load(yaml.replacingOccurrences(of: "/h\"", with: "/i\""), after: first)
        #expect(second.changes(from: first) == ["notifications.destinations.backend"])
        #expect(second.digest != first.digest)
        try write(String(repeating: "b", count: 33), to: "secret")
        #expect(second.hasChangedTokenFile)
        let third = try second.withTokens(readAgainIn: ["HOME": directory.path])
        #expect(third.changes(from: second) == ["secret of backend"])
        #expect(third.hasOtherSecrets(than: second))
        #expect(third.engine.destinations[0].secrets == [[UInt8](repeating: 98, count: 33)])
    }
}
