import Dashboard
import LocalAPI
import TaskEngine
import TaskModel
import TaskTesting
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct DashboardOpenerTests {
    private let opener: DashboardOpener

    init() {
        opener = DashboardOpener(
            sessions: DashboardSessions(
                random: EngineRandom(SystemRandomNumberGenerator()), time: ManualTimeSource()))
    }

    @Test func `the first request starts the listener, and all that wait get an address`() async throws {
        async let first = opener.open(isReadOnly: false)
        async let second = opener.open(isReadOnly: true)
        for await _ in opener.starts { break }
        opener.noteListening(at: "http://127.0.0.1:8485")
        let logins = try await [first, second]
        #expect(logins.map(\.isReadOnly) == [false, true])
        for login in logins {
            #expect(login.url.hasPrefix("http://127.0.0.1:8485/#login="))
            #expect(login.expiresAt == ManualTimeSource.start + .seconds(60))
        }
        #expect(Set(logins.map(\.url)).count == 2)
        #expect(try await opener.open(isReadOnly: false).url.hasPrefix("http://127.0.0.1:8485/#login="))
    }

    @Test func `after a failure the next request tries again`() async throws {
        var starts = opener.starts.makeAsyncIterator()
        let failing = Task { [opener] in try await opener.open(isReadOnly: false) }
        await starts.next()
        opener.noteFailure("No port is free.")
        await #expect(throws: DashboardRefusal.cannotListen("No port is free.")) { _ = try await failing.value }
        async let working = opener.open(isReadOnly: false)
        await starts.next()
        opener.noteListening(at: "http://127.0.0.1:1")
        #expect(try await working.url.hasPrefix("http://127.0.0.1:1/#login="))
    }

    @Test func `nobody waits for a daemon that stops`() async throws {
        let waiting = Task { [opener] in try await opener.open(isReadOnly: false) }
        for await _ in opener.starts { break }
        opener.noteStop()
        await #expect(throws: DashboardRefusal.stopping) { _ = try await waiting.value }
        await #expect(throws: DashboardRefusal.stopping) { _ = try await opener.open(isReadOnly: false) }
    }
}
