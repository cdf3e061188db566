import Foundation
import LocalAPIContract
import TaskModel
import Testing
import VerbatimJSON

@testable import LocalAPI

@Suite(.timeLimit(.minutes(5))) struct LineOutcomesTests {
    private let directory = FileManager.default.temporaryDirectory.path

    private func id(_ number: Int) -> TaskID {
        var random = SystemRandomNumberGenerator()
        return TaskID(at: Timestamp(milliseconds: Int64(number)), using: &random)
    }

    private func problem(_ number: Int) -> ProblemDocument {
        ProblemDocument(
            status: 422, code: "unknown_endpoint", title: "The request was not accepted",
            detail: "There is no endpoint \(number).", members: JSONObject([("fields", ["endpoint"])]))
    }

    private func all(of outcomes: LineOutcomes) async throws -> [LineOutcomes.Outcome] {
        var all: [LineOutcomes.Outcome] = []
        while let next = try await outcomes.next() { all += next }
        return all
    }

    @Test func `outcomes of 200,000 lines take little memory and are read in order`() async throws {
        let outcomes = LineOutcomes(directory: directory)
        // One in ten has a problem of its own, one in ten a common one.
        let added = (0..<200_000).map { number -> LineOutcomes.Outcome in
            switch number % 10 {
            case 3: .problem(problem(number))
            case 7: .problem(problem(-1))
            default: .task(id(number))
            }
        }
        var most = 0
        for outcome in added {
            outcomes.add(outcome)
            most = max(most, outcomes.bytesInMemory)
        }
        #expect(most <= LineOutcomes.maxBytesInMemory)
        outcomes.finish()
        let read = try await all(of: outcomes)
        // Outside the expectation, which would print both arrays.
        let isSame = read == added
        #expect(isSame)
    }

    @Test func `a task takes 17 bytes, and a repeated problem two`() {
        let outcomes = LineOutcomes(directory: directory)
        outcomes.add(.problem(problem(1)))
        let before = outcomes.bytesInMemory
        for number in 0..<100 { outcomes.add(.task(id(number))) }
        #expect(outcomes.bytesInMemory - before == 1_700)
        for _ in 0..<100 { outcomes.add(.problem(problem(1))) }
        #expect(outcomes.bytesInMemory - before == 1_900)
    }

    @Test func `a problem of several megabytes is kept whole`() async throws {
        let outcomes = LineOutcomes(directory: directory)
        var long = problem(1)
        long.detail = String(repeating: "x", count: 5 << 20)
        let added = [LineOutcomes.Outcome.task(id(1)), .problem(long), .task(id(2)), .problem(long)]
        for outcome in added { outcomes.add(outcome) }
        outcomes.finish()
        let read = try await all(of: outcomes)
        let isSame = read == added
        #expect(isSame)
    }

    @Test func `a reader that waits gets each outcome when it is added`() async throws {
        let outcomes = LineOutcomes(directory: directory)
        async let read = all(of: outcomes)
        let added = (0..<500).map { LineOutcomes.Outcome.task(id($0)) }
        for outcome in added {
            outcomes.add(outcome)
            await Task.yield()
        }
        outcomes.finish()
        #expect(try await read == added)
    }
}
