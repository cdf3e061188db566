import TaskModel
import TaskStore
import TaskTesting
import Testing

struct SettingsHistoryTests {
    private static let start = ManualTimeSource.start
    private static let endpoint = TrackedTask.task(1).endpoint
    private static let account = ProviderAccount(provider: "testing", account: AccountName(stored: "second"))

    private static func history(_ settings: (url: String, token: String, at: Int)...) -> SettingsHistory {
        var history = SettingsHistory()
        for (url, token, seconds) in settings {
            history.take(
                baseURLs: ["testing": url], tokenDigests: [account: token], timeouts: [endpoint: .seconds(30)],
                at: start + .seconds(seconds))
        }
        return history
    }

    /// What two requests have in common: sent at the first time, and sent and accepted at the others.
    private static func areTogether(_ history: SettingsHistory, _ sent: Int, _ from: Int, _ to: Int) -> Bool {
        history.listChanges(for: account)
            .none(between: start + .seconds(sent), and: start + .seconds(from)...(start + .seconds(to)))
    }

    @Test func `the first settings and equal ones change no list`() {
        let history = Self.history(("a", "one", 0), ("a", "one", 100))
        #expect(Self.areTogether(history, 0, 500, 501))
        #expect(history.listChanges(for: Self.account).areAllBefore(Self.start - .seconds(9)))
    }

    @Test(arguments: [("b", "one"), ("a", "two")])
    func `another base URL or token separates what was sent before from what was sent after`(url: String, token: String)
    {
        let history = Self.history(("a", "one", 0), (url, token, 100))
        #expect(Self.areTogether(history, 50, 60, 99))
        #expect(Self.areTogether(history, 110, 110, 111))
        #expect(!Self.areTogether(history, 50, 110, 120))
        #expect(!Self.areTogether(history, 110, 50, 99))
        // Sent before, and accepted after.
        #expect(!Self.areTogether(history, 110, 50, 120) && !Self.areTogether(history, 50, 50, 120))
        // Near the change, either settings may have been in force.
        #expect(!Self.areTogether(history, 95, 50, 60) && !Self.areTogether(history, 105, 120, 130))
        #expect(history.listChanges(for: Self.account).areAllBefore(Self.start + .seconds(110)))
        #expect(!history.listChanges(for: Self.account).areAllBefore(Self.start + .seconds(109)))
    }

    @Test func `a return to the former base URL does not join the period between with the others`() {
        let history = Self.history(("a", "one", 0), ("b", "one", 100), ("a", "one", 200))
        #expect(!Self.areTogether(history, 150, 50, 60) && !Self.areTogether(history, 150, 220, 230))
        #expect(Self.areTogether(history, 150, 150, 160))
    }

    @Test func `another account of the provider keeps its list when a token changes`() {
        let history = Self.history(("a", "one", 0), ("a", "two", 100))
        let other = ProviderAccount(provider: "testing", account: AccountName(stored: "third"))
        #expect(history.listChanges(for: other).areAllBefore(Self.start))
    }

    @Test func `settings without the provider or the token change nothing`() {
        var history = Self.history(("a", "one", 0))
        history.take(baseURLs: [:], tokenDigests: [:], timeouts: [:], at: Self.start + .seconds(50))
        history.take(
            baseURLs: ["testing": "a"], tokenDigests: [Self.account: "one"], timeouts: [Self.endpoint: .seconds(10)],
            at: Self.start + .seconds(60))
        #expect(history.listChanges(for: Self.account).areAllBefore(Self.start))
        #expect(history.longestTimeout(of: Self.endpoint) == .seconds(30))
    }

    @Test func `of very many changes the latest are remembered, and nothing is proved about what was sent before them`()
    {
        var history = SettingsHistory()
        for number in 0..<100 {
            history.take(
                baseURLs: ["testing": "\(number)"], tokenDigests: [:], timeouts: [:],
                at: Self.start + .seconds(number * 100))
        }
        #expect(!Self.areTogether(history, 50, 60, 70))
        #expect(Self.areTogether(history, 9_850, 9_851, 9_852))
    }

    @Test func `the store keeps the history`() async throws {
        try await EachDatabase.with { driver in
            let store = TaskStore(driver)
            #expect(try await store.settingsHistory() == SettingsHistory())
            let history = Self.history(("a", "one", 0), ("b", "two", 100))
            try await store.put(history)
            #expect(try await store.settingsHistory() == history)
        }
    }
}
