import ArgumentParser
import Glibc
import LocalAPIClient
import LocalAPIContract
import Testing
import VerbatimJSON

@testable import pollux

@Suite struct ExitReportTests {
    private func problem(_ status: Int, _ code: String, _ members: JSONObject = JSONObject()) -> LocalAPIClientError {
        .problem(ProblemDocument(status: status, code: code, title: "T", detail: "D.", members: members))
    }

    @Test func `each error has its exit code`() {
        let expected: [(any Error, pollux.ExitStatus)] = [
            (problem(404, "task_not_found"), .notFound),
            (problem(404, "endpoint_not_found"), .notFound),
            (problem(404, "unknown_destination"), .notFound),
            (problem(404, "artefact_not_found"), .notFound),
            (problem(422, "unknown_endpoint"), .notFound),
            (problem(404, "no_such_route"), .refused),
            (problem(409, "ambiguous_id"), .refused),
            (problem(409, "already_ended"), .refused),
            (problem(413, "body_too_large"), .refused),
            (problem(422, "unknown_field"), .refused),
            (problem(503, "not_ready"), .noDaemon),
            (problem(507, "storage_full"), .noDaemon),
            (problem(500, "internal_error"), .bug),
            (LocalAPIClientError.noDaemon(socketPath: "/s", reason: "r"), .noDaemon),
            (LocalAPIClientError.interrupted("r"), .noDaemon),
            (LocalAPIClientError.unreadable("r"), .bug),
            (RefusedInput(message: "m"), .refused),
            (RefusedInput(message: "m", isMissing: true), .notFound),
            (RefusedInput(path: "f", errno: ENOENT), .notFound),
            (RefusedInput(path: "f", errno: EACCES), .refused),
            (ValidationError("m"), .usage),
            (ClosedPipe(), .done),
            (CleanExit.helpRequest(), .done),
            (pollux.ExitStatus.timedOut, .timedOut),
            (pollux.ExitStatus.unsuccessful, .unsuccessful),
            (SomethingElse(), .bug),
        ]
        for (error, status) in expected { #expect(ExitReport(of: error).status == status, "\(error)") }
    }

    @Test func `exit codes have the documented numbers`() {
        let statuses: [pollux.ExitStatus] = [
            .done, .unsuccessful, .usage, .refused, .notFound, .noDaemon, .bug, .timedOut,
        ]
        #expect(statuses.map(\.rawValue) == [0, 1, 64, 65, 66, 69, 70, 75])
    }

    @Test func `the message for a missing daemon says how to start one`() {
        let report = ExitReport(of: LocalAPIClientError.noDaemon(socketPath: "/s", reason: "no process listens there"))
        #expect(report.message?.contains("pollux serve") == true)
        #expect(report.message?.contains("/s: no process listens there.") == true)
    }

    @Test func `a problem shows its suggestions and candidates`() {
        let members = JSONObject([("nearest", "suno/audios"), ("candidates", ["a", "b\u{1b}"])])
        #expect(
            ExitReport(of: problem(409, "x", members)).message
                == "D.\n  Did you mean:  suno/audios\n  Candidates:\n    a\n    b ")
        #expect(
            ExitReport(of: problem(422, "x", JSONObject([("nearest", ["suno/audios", "suno/lyrics"])]))).message
                == "D.\n  Did you mean:  suno/audios, suno/lyrics")
    }

    @Test(arguments: [
        ["submit"], ["submit", "a/b", "-d", "x"], ["submit", "a/b", "-d", "n:=x"], ["submit", "a/b", "--label", "x"],
        ["submit", "a/b", "--priority", "high"], ["submit", "a/b", "--deadline", "2h"],
        ["submit", "a/b", "--timeout", "5"],
        ["submit", "a/b", "--batch", "f"], ["submit", "--batch", "f", "--wait"],
        ["submit", "a/b", "--on-uncertain", "x"],
        ["list", "--state", "runing"], ["list", "--limit", "0"], ["show"], ["show", "x", "--events", "--response"],
        ["wait"], ["wait", "x", "--timeout", "soon"], ["resolve", "x"], ["resolve", "x", "--resubmit", "--give-up"],
        ["pause", "suno"], ["nonsense"], ["status", "--bogus"], ["track", "a/b"],
        ["notifications", "replay", "backend"], ["notifications", "replay", "backend", "--dead", "--since", "2h"],
    ])
    func `an invalid command line is a usage error`(arguments: [String]) {
        do {
            _ = try Pollux.parseAsRoot(arguments)
            Issue.record("It was accepted.")
        } catch {
            #expect(ExitReport(of: error).status == .usage)
        }
    }

    @Test(arguments: [
        ["submit", "a/b"], ["submit", "a/b", "-d", "x=-1", "-d", "n:=-1", "--priority", "-5"],
        ["submit", "a/b", "--json-body", "-", "--wait", "--timeout", "10m"],
        ["submit", "--batch", "-", "--label", "a=b"],
        ["list", "--state", "running,queued", "--label", "a=b", "--label", "c=d", "--all", "--created-after", "2h"],
        ["wait", "a", "b", "--timeout", "90"], ["resolve", "x", "--adopt", "y"], ["pause", "suno/audios", "--json"],
        ["serve", "--state-dir", "x", "--log-level", "debug"], ["pin", "a", "b"], ["unpin", "a"], ["delete", "a", "b"],
        ["prune", "--dry-run"], ["notifications", "list", "--dead"], ["notifications", "test", "backend"],
        ["notifications", "replay", "backend", "--since", "2h"], ["submit", "a/b", "--notify", "backend"],
    ])
    func `a valid command line is accepted`(arguments: [String]) {
        #expect(throws: Never.self) { try Pollux.parseAsRoot(arguments) }
    }
}

private struct SomethingElse: Error {}
