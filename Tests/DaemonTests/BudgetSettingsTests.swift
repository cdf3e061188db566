import Foundation
import ProviderCatalog
import TaskEngine
import TaskModel
import TaskTesting
import Testing

@testable import Daemon

/// Tests how budgets and prices are read from the files of the settings.
@Suite struct BudgetSettingsTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func load(_ settings: String, prices: String? = nil, after former: Configuration? = nil) throws
        -> Configuration
    {
        try Data(settings.utf8).write(to: URL(filePath: directory.file("pollux.yaml")))
        if let prices { try Data(prices.utf8).write(to: URL(filePath: directory.file("prices.yaml"))) }
        return try Configuration(
            flags: DaemonFlags(),
            environment: ["HOME": directory.path, "POLLUX_CONFIG": directory.file("pollux.yaml")],
            at: Timestamp(milliseconds: 1_795_000_000_000), after: former)
    }

    private func refusal(_ settings: String, prices: String? = nil) throws -> String {
        do {
            _ = try load(settings, prices: prices)
            Issue.record("It was accepted: \(settings)")
            return ""
        } catch let error as DaemonError {
            return error.message
        }
    }

    @Test func `a budget is read with everything that it may have`() throws {
        let budgets = try load(
            """
            budgets:
              - {name: plain, limit: 20, unit: USD, per: day}
              - name: all
                limit: 0.5
                unit: credits
                per: month
                time_zone: Europe/Berlin
                scope: {provider: xhuoapi, account: default, endpoint: suno/*, label: project=web}
                warn_at: 0.9
                on_exceed: refuse
                unpriced: hold
              - {name: quiet, limit: 1, unit: USD, per: total, warn_at: 0, scope: {label: project}}
            """
        ).engine.budgets
        #expect(budgets.map(\.name) == ["all", "plain", "quiet"])
        let all = budgets[0]
        #expect(all.limit == 500_000 && all.unit.text == "credits" && all.period == .month)
        #expect(all.timeZone == "Europe/Berlin" && all.warnAt == 900)
        #expect(all.onExceed == .refuse && all.unpriced == .hold)
        #expect(all.scope.provider == "xhuoapi" && all.scope.endpoint == "suno/*")
        #expect(all.scope.label == "project" && all.scope.labelValue == "web")
        #expect(budgets[1].timeZone == "UTC" && budgets[1].warnAt == 800 && budgets[1].scope.isAll)
        #expect(budgets[2].warnAt == nil && budgets[2].scope.labelValue == nil)
        #expect(try load("budgets: []\n").engine.budgets.isEmpty)
        #expect(try load("budgets:\n").engine.budgets.isEmpty)
    }

    @Test(arguments: [
        ("{limit: 1, unit: USD, per: day}", "name"), ("{name: A, limit: 1, unit: USD, per: day}", "name"),
        ("{name: a, unit: USD, per: day}", "limit"), ("{name: a, limit: -1, unit: USD, per: day}", "limit"),
        ("{name: a, limit: 1, per: day}", "unit"), ("{name: a, limit: 1, unit: USD, per: week}", "day, month or total"),
        ("{name: a, limit: 1, unit: USD, per: day, time_zone: Mars/Base}", "time zone"),
        ("{name: a, limit: 1, unit: USD, per: day, warn_at: 80}", "warn_at"),
        ("{name: a, limit: 1, unit: USD, per: day, on_exceed: wait}", "hold or refuse"),
        ("{name: a, limit: 1, unit: USD, per: day, unpriced: deny}", "allow or hold"),
        ("{name: a, limit: 1, unit: USD, per: day, scop: {}}", "Did you mean \"scope\"?"),
        ("{name: a, limit: 1, unit: USD, per: day, scope: {endpoint: suno/audio}}", "Did you mean \"suno/audios\"?"),
        ("{name: a, limit: 1, unit: USD, per: day, scope: {provider: xhuoap}}", "Did you mean \"xhuoapi\"?"),
        ("{name: a, limit: 1, unit: USD, per: day, scope: {account: second}}", "no account \"second\""),
        ("{name: a, limit: 1, unit: USD, per: day, scope: {label: =x}}", "project=web"),
    ])
    func `a mistake is named with its place`(budget: String, words: String) throws {
        let message = try refusal("budgets:\n  - \(budget)\n")
        #expect(message.contains(words), "\(message)")
        #expect(message.contains("pollux.yaml, line 2"), "\(message)")
    }

    @Test func `two budgets need two names, and budgets are a list`() throws {
        let twice = "  - {name: a, limit: 1, unit: USD, per: day}\n"
        #expect(try refusal("budgets:\n\(twice)\(twice)").contains("two budgets have the name \"a\""))
        #expect(try refusal("budgets: {daily: 20}\n").contains("must be a list"))
    }

    @Test func `prices of the file beside the settings go before those of definitions`() throws {
        let first = try load("", prices: "flux/images: {unit: USD, per: /n, each: 0.04, default: 1}\n")
        let name = try #require(EndpointName("flux/images"))
        let profile = try #require(first.engine.catalog.endpoint(name))
        #expect(profile.price?.words == "0.04 USD times /n")
        #expect(profile.priceFile == "prices.yaml")
        let second = try load("", prices: "flux/images: {unit: USD, fixed: 0.05}\n", after: first)
        #expect(second.changes(from: first) == [directory.file("prices.yaml")])
        #expect(try refusal("", prices: "flux/image: {unit: USD, fixed: 1}\n").contains("did you mean flux/images?"))
        #expect(try refusal("", prices: "flux/images: {unit: USD}\n").contains("prices.yaml, line 1"))
    }

    @Test func `a changed budget is named by a reload`() throws {
        let first = try load("budgets: [{name: a, limit: 1, unit: USD, per: day}]\n")
        let second = try load("budgets: [{name: a, limit: 2, unit: USD, per: day}]\n", after: first)
        #expect(second.changes(from: first) == ["budgets.a"])
    }
}
