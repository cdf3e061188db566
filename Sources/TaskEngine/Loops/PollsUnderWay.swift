import Synchronization
import TaskModel

/// Which tasks are being asked about at this moment; only these are in memory, never those that wait.
final class PollsUnderWay: Sendable {
    private struct State {
        var rounds: [String: Int] = [:]
        var tasks: [String: Set<TaskID>] = [:]
        /// Left out by a batch reply, so to be asked for alone.
        var alone: Set<TaskID> = []
    }

    private let state = Mutex(State())

    func rounds(of service: String) -> Int { state.withLock { $0.rounds[service] ?? 0 } }

    func tasks(of service: String) -> Set<TaskID> { state.withLock { $0.tasks[service] ?? [] } }

    func isAlone(_ task: TaskID) -> Bool { state.withLock { $0.alone.contains(task) } }

    func markAlone(_ isAlone: Bool, _ task: TaskID) {
        state.withLock { state in
            // Bounded: a forgotten mark costs one more batch query that leaves the id out.
            if isAlone, state.alone.count < 100_000 { state.alone.insert(task) } else { state.alone.remove(task) }
        }
    }

    func begin(_ work: PollRound) {
        state.withLock { state in
            state.rounds[work.service, default: 0] += 1
            state.tasks[work.service, default: []].formUnion(work.tasks.map(\.id))
        }
    }

    func end(_ work: PollRound) {
        state.withLock { state in
            state.rounds[work.service, default: 1] -= 1
            state.tasks[work.service]?.subtract(work.tasks.map(\.id))
            if state.rounds[work.service] == 0 {
                state.rounds[work.service] = nil
                state.tasks[work.service] = nil
            }
        }
    }
}
