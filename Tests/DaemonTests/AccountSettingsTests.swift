import Foundation
import ProviderCatalog
import TaskEngine
import TaskModel
import TaskTesting
import Testing

@testable import Daemon
@testable import UpstreamHTTP

/// Tests several accounts in the settings file.
@Suite struct AccountSettingsTests {
    private let directory = "/tmp/pollux-accounts-\(UInt32.random(in: .min ... .max))"

    private func load(
        _ yaml: String, tokens: [String: String] = ["a": "token-of-a-4711-0815", "b": "token-of-b-4711-0815"],
        environment: [String: String] = [:]
    ) throws -> (providers: Providers, warnings: [String]) {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        for (name, token) in tokens {
            try Data(token.utf8).write(to: URL(filePath: "\(directory)/\(name)"))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: "\(directory)/\(name)")
        }
        let file = directory + "/pollux.yaml"
        try Data(yaml.replacing("DIR", with: directory).utf8).write(to: URL(filePath: file))
        let environment = environment.merging(["HOME": directory, "POLLUX_CONFIG": file]) { $1 }
        var settings = try SettingsLoader.load(flags: DaemonFlags(), environment: environment)
        let providers = try Providers(&settings, Definitions(in: nil), environment: environment)
        return (providers, settings.warnings)
    }

    private static let two = """
        [{name: first, token_file: DIR/a}, {name: second, token_file: DIR/b, max_in_flight: 3}]
        """

    @Test(arguments: ["providers: {xhuoapi: {accounts: LIST}}", "xhuoapi: {accounts: LIST}"])
    func `a provider has the accounts of the settings, in order`(form: String) throws {
        let (providers, warnings) = try load(form.replacing("LIST", with: Self.two))
        #expect(providers.accounts(of: "xhuoapi") == [Account("first"), Account("second", maxInFlight: 3)])
        #expect(
            providers.tokens == [
                ProviderAccount(provider: "xhuoapi", account: "first"): "token-of-a-4711-0815",
                ProviderAccount(provider: "xhuoapi", account: "second"): "token-of-b-4711-0815",
            ])
        #expect(
            providers.access[ProviderAccount(provider: "xhuoapi", account: "second")]?.token == "token-of-b-4711-0815")
        #expect(providers.redactor.redacted("token-of-a-4711-0815, token-of-b-4711-0815") == "(redacted), (redacted)")
        #expect(warnings.isEmpty)
    }

    @Test func `without accounts a provider has the account default`() throws {
        let (providers, _) = try load("providers: {xhuoapi: {token_file: DIR/a}}")
        #expect(providers.accounts(of: "xhuoapi") == [Account()])
        #expect(providers.accounts(of: "fal") == [Account(hasToken: false)])
        #expect(providers.tokens == ["xhuoapi": "token-of-a-4711-0815"])
    }

    @Test func `a provider may have a base URL and accounts`() throws {
        let (providers, _) = try load(
            "providers: {fal: {base_url: 'https://proxy.example', accounts: [{name: main, token_file: DIR/a}]}}")
        #expect(
            providers.access[ProviderAccount(provider: "fal", account: "main")]?.baseURL == "https://proxy.example")
    }

    @Test func `two accounts with one token cause a warning`() throws {
        let (_, warnings) = try load(
            "providers: {fal: {accounts: [{name: a, token_file: DIR/a}, {name: b, token_file: DIR/a}]}}")
        #expect(warnings.count == 1 && warnings[0].contains("the accounts a and b have the same token"))
    }

    private static let mistakes: [(yaml: String, says: [String])] = [
        ("accounts: []", ["providers.fal.accounts", "with at least one account"]),
        ("accounts: main", ["providers.fal.accounts", "must be a list"]),
        ("accounts: [main]", ["providers.fal.accounts", "a name and a token_file"]),
        ("accounts: [{name: a}]", ["providers.fal.accounts", "a name and a token_file"]),
        ("accounts: [{token_file: DIR/a}]", ["providers.fal.accounts", "a name and a token_file"]),
        ("accounts: [{name: Main, token_file: DIR/a}]", ["providers.fal.accounts", "\"Main\"", "small letters"]),
        ("accounts: [{name: a/b, token_file: DIR/a}]", ["providers.fal.accounts", "\"a/b\""]),
        (
            "accounts: [{name: a, token_file: DIR/a}, {name: a, token_file: DIR/b}]",
            ["providers.fal.accounts", "two accounts with the name \"a\""]
        ),
        ("accounts: [{name: a, token_file: DIR/none}]", ["providers.fal.accounts", "account a", "DIR/none"]),
        ("accounts: [{name: a, tokenfile: DIR/a}]", ["providers.fal.accounts", "Did you mean \"token_file\"?"]),
        (
            "accounts: [{name: a, token: hunter2}]",
            ["providers.fal.accounts", "Do not put a token into a settings file"]
        ),
        (
            "accounts: [{name: a, token_file: DIR/a, max_in_flight: 0}]",
            ["max_in_flight of account a", "a whole number from 1 to 100000"]
        ),
        (
            "accounts: [{name: a, token_file: DIR/a}], token_file: DIR/b",
            ["providers.fal.token_file", "cannot be set besides accounts"]
        ),
        (
            "token_file: DIR/b, accounts: [{name: a, token_file: DIR/a}]",
            ["providers.fal.token_file", "cannot be set besides accounts"]
        ),
    ]

    @Test(arguments: mistakes.indices)
    func `an error in accounts stops the start and names the setting`(index: Int) throws {
        let (yaml, says) = Self.mistakes[index]
        let error = #expect(throws: DaemonError.self) { try load("providers: {fal: {\(yaml)}}") }
        for part in says { #expect(error?.message.contains(part.replacing("DIR", with: directory)) ?? false) }
        #expect(error?.message.contains("hunter2") == false)
    }

    @Test(arguments: ["XHUOAPI_TOKEN", "XHUOAPI_TOKEN_FILE"])
    func `a token in the environment besides accounts stops the start`(variable: String) throws {
        let error = #expect(throws: DaemonError.self) {
            try load("xhuoapi: {accounts: \(Self.two)}", environment: [variable: directory + "/a"])
        }
        #expect(error?.message.contains(variable) ?? false)
        #expect(error?.message.contains("providers.xhuoapi.accounts") ?? false)
    }

    @Test func `accounts under both names of xhuoapi stop the start`() throws {
        let error = #expect(throws: DaemonError.self) {
            try load("xhuoapi: {accounts: \(Self.two)}\nproviders: {xhuoapi: {accounts: \(Self.two)}}")
        }
        #expect(error?.message.contains("xhuoapi.accounts is its other name") ?? false)
    }

    @Test func `a token file besides accounts stops the start under the other name too`() throws {
        let error = #expect(throws: DaemonError.self) {
            try load("xhuoapi: {accounts: \(Self.two), token_file: DIR/a}")
        }
        #expect(error?.message.contains("xhuoapi.token_file cannot be set besides accounts") ?? false)
    }
}
