import Foundation
import ProviderCatalog
import TaskEngine
import TaskModel
import TaskTesting
import Testing
import UpstreamHTTP

@testable import Daemon

/// Tests what a reload reads, compares and rejects.
@Suite struct ConfigurationTests {
    private let directory: TemporaryDirectory
    private let at = Timestamp(milliseconds: 1_795_000_000_000)

    init() throws {
        directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(
            atPath: directory.file("providers"), withIntermediateDirectories: true)
        try write("log: {level: info}\n", to: "pollux.yaml")
    }

    private func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(filePath: directory.file(name)))
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o600], ofItemAtPath: directory.file(name))
    }

    private func environment(_ more: [String: String] = [:]) -> [String: String] {
        more.merging(["HOME": directory.path, "POLLUX_CONFIG": directory.file("pollux.yaml")]) { $1 }
    }

    private func load(
        _ more: [String: String] = [:], after former: Configuration? = nil
    ) throws(DaemonError) -> Configuration {
        try Configuration(flags: DaemonFlags(), environment: environment(more), at: at, after: former)
    }

    @Test func `the digest changes with the contents of settings and definitions`() throws {
        let first = try load()
        #expect(try load(after: first).digest == first.digest)
        #expect(first.digest.count == 16)
        try write("polling: {max_gap_seconds: 30}\n", to: "pollux.yaml")
        let second = try load(after: first)
        #expect(second.digest != first.digest)
        #expect(second.changes(from: first) == ["log.level", "polling.max_gap_seconds"])
        #expect(second.settings.maxGap == .seconds(30))
        try write(DefinitionText.mine, to: "providers/mine.yaml")
        let third = try load(after: second)
        #expect(third.digest != second.digest)
        #expect(third.changes(from: second) == [directory.file("providers/mine.yaml"), "provider mine"])
        try write(DefinitionText.mine + "\n", to: "providers/mine.yaml")
        #expect(try load(after: third).changes(from: third) == [directory.file("providers/mine.yaml")])
    }

    @Test(arguments: [
        ("socket: /tmp/other.sock\n", ["socket"]),
        ("state_directory: /tmp/other\npolling: {max_gap_seconds: 30}\n", ["state_directory"]),
        (
            "callbacks: {listen: \"127.0.0.1:1\", public_url: \"https://p.example\"}\n",
            ["callbacks.listen", "callbacks.public_url"]
        ), ("polling: {max_gap_seconds: 30}\n", []), ("", []),
    ])
    func `settings that only a start applies are named`(file: String, names: [String]) throws {
        let former = try load()
        try write(file, to: "pollux.yaml")
        #expect(try load(after: former).restartNeeds(from: former) == names)
    }

    @Test func `another spelling of a value needs no restart`() throws {
        try write(
            "callbacks: {listen: \"127.0.0.1:8443\", public_url: \"https://p.example\", certificate_file: /c/d.pem, key_file: /c/k.pem}\n",
            to: "pollux.yaml")
        let former = try load()
        let state = former.settings.stateDirectory
        try write(
            """
            state_directory: \(state)/.//
            socket: \(former.settings.socketPath)
            callbacks: {listen: "127.0.0.1:08443", public_url: "https://p.example/", certificate_file: /c//d.pem, key_file: /c/./k.pem}

            """, to: "pollux.yaml")
        #expect(try load(after: former).restartNeeds(from: former).isEmpty)
        // The default takes the place of the same value.
        try write("callbacks: {listen: \"127.0.0.1:8444\", public_url: \"https://p.example\"}\n", to: "pollux.yaml")
        #expect(
            try load(after: former).restartNeeds(from: former)
                == ["callbacks.listen", "callbacks.certificate_file", "callbacks.key_file"])
    }

    @Test func `changed tokens are read again without anything else`() throws {
        try write("first-token-0123456789", to: "token")
        let former = try load(["XHUOAPI_TOKEN_FILE": directory.file("token")])
        #expect(former.providers.tokens["xhuoapi"] == "first-token-0123456789")
        #expect(!former.hasChangedTokenFile)
        try write("second-token-0123456789", to: "token")
        try write("polling: {max_gap_seconds: 30}\n", to: "pollux.yaml")
        try write("no definition", to: "providers/bad.yaml")
        #expect(former.hasChangedTokenFile)
        let next = try former.withTokens(
            readAgainIn: environment(["XHUOAPI_TOKEN_FILE": directory.file("token")]))
        #expect(next.providers.tokens["xhuoapi"] == "second-token-0123456789")
        #expect(next.providers.access["xhuoapi"]?.token == "second-token-0123456789")
        #expect(next.settings.maxGap == .seconds(60))
        #expect(next.digest == former.digest && next.loadedAt == former.loadedAt)
        #expect(next.changes(from: former) == ["token of xhuoapi"])
        #expect(!next.hasChangedTokenFile)
    }

    @Test func `a reload notices changed accounts, each of its parts`() throws {
        try write("first-token-0123456789", to: "one")
        try write("second-token-0123456789", to: "two")
        let two = "{name: two, token_file: \(directory.file("two"))}"
        func load(_ accounts: String, after former: Configuration? = nil) throws -> Configuration {
            try write("providers: {xhuoapi: {accounts: [\(accounts)]}}\n", to: "pollux.yaml")
            return try self.load(after: former)
        }
        let one = "{name: one, token_file: \(directory.file("one"))"
        var former = try load("\(one)}, \(two)")
        #expect(try load("\(one)}, \(two)", after: former).changes(from: former) == [])
        for (accounts, tokens) in [
            ("\(one)}", ["token of account two of xhuoapi"]), ("\(one), max_in_flight: 3}", []),
            ("\(one), max_in_flight: 3}, \(two)", ["token of account two of xhuoapi"]),
        ] {
            let next = try load(accounts, after: former)
            #expect(next.changes(from: former) == ["providers.xhuoapi.accounts"] + tokens)
            #expect(next.digest != former.digest && next.restartNeeds(from: former).isEmpty)
            former = next
        }
        #expect(former.providers.accounts(of: "xhuoapi").map(\.name) == ["one", "two"])
        try write("third-token-0123456789", to: "two")
        #expect(former.hasChangedTokenFile)
        let next = try former.withTokens(readAgainIn: environment())
        #expect(next.changes(from: former) == ["token of account two of xhuoapi"])
        let owner = ProviderAccount(provider: "xhuoapi", account: "two")
        #expect(next.providers.access[owner]?.token == "third-token-0123456789")
        #expect(next.providers.redactor.redacted("second-token-0123456789") == "(redacted)")
    }

    @Test func `a token file that cannot be read leaves its token in use, and others are renewed`() throws {
        for name in ["one", "two"] { try write("\(name)-token-0123456789", to: name) }
        let accounts = ["one", "two"].map { "{name: \($0), token_file: \(directory.file($0))}" }
        try write("providers: {xhuoapi: {accounts: [\(accounts.joined(separator: ", "))]}}\n", to: "pollux.yaml")
        let former = try load()
        try FileManager.default.removeItem(atPath: directory.file("one"))
        try write("new-token-0123456789", to: "two")
        let next = try former.withTokens(readAgainIn: environment())
        #expect(next.changes(from: former) == ["token of account two of xhuoapi"])
        #expect(next.providers.tokens[ProviderAccount(provider: "xhuoapi", account: "one")] == "one-token-0123456789")
        #expect(
            next.settings.tokenProblems.count == 1 && next.settings.tokenProblems[0].contains(directory.file("one")))
        #expect(!next.hasChangedTokenFile)
        try write("one-again-0123456789", to: "one")
        #expect(next.hasChangedTokenFile)
        let last = try next.withTokens(readAgainIn: environment())
        #expect(last.changes(from: next) == ["token of account one of xhuoapi"] && last.settings.tokenProblems.isEmpty)
        // A failed reload changes nothing.
        try FileManager.default.removeItem(atPath: directory.file("one"))
        #expect(throws: DaemonError.self) { _ = try load(after: last) }
    }

    @Test func `the latest former tokens are still redacted`() throws {
        var configuration = try load()
        for number in 100..<130 {
            try write("token-0123456789-\(number)", to: "token")
            configuration = try load(["FAL_KEY_FILE": directory.file("token")], after: configuration)
        }
        for (number, isRedacted) in [(129, true), (128, true), (113, true), (112, false)] {
            let text = "token-0123456789-\(number)"
            #expect((configuration.providers.redactor.redacted(text) == "(redacted)") == isRedacted, "\(number)")
        }
    }

    @Test(arguments: [
        ("upstream: {proxy: \"ftp://me:secret@p.example\"}\n", "upstream.proxy is not a usable proxy"),
        ("upstream: {ca_file: /nowhere.pem}\n", "upstream.ca_file names /nowhere.pem, which cannot be read"),
        ("xhuoapi: {token_file: /nowhere}\n", "The token file /nowhere cannot be read"),
    ])
    func `an invalid setting is rejected by its name`(file: String, message: String) throws {
        let former = try load()
        try write(file, to: "pollux.yaml")
        let error = #expect(throws: DaemonError.self) { _ = try load(after: former) }
        #expect(error?.message.contains(message) == true, "\(String(describing: error))")
        #expect(error?.message.contains("secret") == false)
    }

    @Test func `an unusable file of certificate authorities is rejected by the variable's name`() throws {
        let error = #expect(throws: DaemonError.self) { _ = try load(["SSL_CERT_FILE": "/nowhere.pem"]) }
        #expect(error?.message.hasPrefix("SSL_CERT_FILE names /nowhere.pem, which cannot be read") == true)
    }

    @Test func `a proxy's password is not in the digest, but its change is noticed`() throws {
        try write("upstream: {proxy: \"http://me:secret-1@p.example:1\"}\n", to: "pollux.yaml")
        let former = try load()
        try write("upstream: {proxy: \"http://me:secret-2@p.example:1\"}\n", to: "pollux.yaml")
        let next = try load(after: former)
        #expect(next.digest == former.digest && next.connections != former.connections)
        #expect(next.changes(from: former) == ["upstream.proxy"])
    }
}
