import ArgumentParser
import LocalAPIContract
import ArgumentParser
import Testing
import VerbatimJSON

@testable import pollux

@Suite struct RetryCommandTests {
    private func task(_ id: String, request: JSONValue = ["n": 1], error: String? = nil) -> TaskDocument {
        var task = TaskDocument(id: id, endpoint: "a/b", state: "failed", createdAt: "2026-11-23T14:00:00.000Z")
        task.request = request
        task.error = error.map { TaskDocument.Failure(code: $0, message: "m") }
        return task
    }

    @Test func `tasks found by state are retried oldest first, without lost ones and those without a request`() {
        let selection = RetrySelection(found: [
            task("3", error: "forbidden"), task("2", error: "submission_lost"), task("1", request: .null), task("0"),
        ])
        #expect(selection.tasks.map(\.id) == ["0", "3"])
        #expect(selection.leftOut.count == 2)
        #expect(selection.question == "2 tasks are submitted again, and each is paid for again. Go on?")
    }

    @Test func `a task named twice is retried once`() {
        let selection = RetrySelection(named: [task("1"), task("1"), task("2", error: "submission_lost")])
        #expect(selection.tasks.map(\.id) == ["1", "2"])
        #expect(RetrySelection(named: [task("1")]).question.hasPrefix("1 task is submitted again and paid for again."))
    }

    @Test(arguments: [
        [], ["--label", "a=b"], ["x", "--state", "failed"], ["--state", "succeeded"], ["--state", "running"],
        ["x", "--label", "a=b"], ["x", "--number", "0"], ["--state", "failed", "--number", "2"],
    ])
    func `an ambiguous selection is refused`(arguments: [String]) {
        #expect(throws: (any Error).self) { try RetryCommand.parse(arguments) }
    }

    @Test(arguments: [["x", "y"], ["--state", "failed,expired", "--label", "a=b"], ["x", "--number", "2", "--yes"]])
    func `ids or states are accepted`(arguments: [String]) throws {
        _ = try RetryCommand.parse(arguments)
    }
}
