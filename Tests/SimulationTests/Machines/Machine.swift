import Synchronization
import TaskModel
import TaskStore

/// One of several machines that run a daemon on the same store.
final class Machine {
    let number: Int
    /// Each machine has a state directory of its own.
    let journal = SimulatedJournal()
    /// Counts its daemons, over all machines.
    var life = 0
    /// Nil before it has started.
    var daemon: DaemonIncarnation? {
        didSet {
            claims = daemon?.loops ?? []
            isUp = daemon != nil
        }
    }
    /// The loops of the daemon. To copy a daemon takes long.
    private(set) var claims: [DaemonIncarnation.Loop] = []
    private(set) var isUp = false
    var stopFlag = DaemonIncarnation.StopFlag()
    var loops: [SimulationDriver.LoopState] = []
    /// The simulated tasks of the daemon.
    var tasks: [Task<Void, Never>] = []
    /// Whether its gateway stores what became of replies.
    var isRecording = false
    /// How many commits there were when its follower looked last.
    var followed = 0
    /// When the daemon goes on that stands still (SIGSTOP); nil if it runs.
    var goesOnAt: Int64?
    /// When the next daemon starts; nil while one runs.
    var startsAt: Int64?
    /// Since when the daemon has run without standing still.
    var hasRunSince: Int64?
    /// What its subscribers have seen.
    var seen = SeenLines()

    var isStopped: Bool { goesOnAt != nil }
    /// Whether a program that connects is served.
    var serves: Bool { isUp && !isStopped }

    init(number: Int) { self.number = number }
}

/// The places of the lines that the subscribers of one daemon have seen, in their order.
final class SeenLines: Sendable {
    private let places = Mutex<[Int64]>([])

    func note(_ place: Int64) { places.withLock { $0.append(place) } }

    var all: [Int64] { places.withLock { $0 } }
}

/// Compares what the subscribers of each daemon have seen with the log.
struct SeenAudit {
    /// The places of all lines about tasks.
    private var lines: [Int64] = []
    /// How many lines of each life were compared.
    private var compared: [Int: Int] = [:]

    mutating func note(_ events: [DiskView.EventLine]) {
        lines += events.filter { !$0.task.isEmpty }.map(\.sequence)
    }

    /// Checks what the daemon of that life has seen since the last call.
    mutating func check(_ places: SeenLines, of life: Int) throws {
        let seen = places.all
        let done = compared[life] ?? 0
        guard seen.count > done else { return }
        compared[life] = seen.count
        guard let start = lines.firstIndex(of: seen[max(done - 1, 0)]) else {
            throw Violation(.processesSeeTheLog, "life \(life) saw line \(seen[done]), which is none")
        }
        let expected = lines[start...].prefix(seen.count - max(done - 1, 0))
        let found = seen[max(done - 1, 0)...]
        guard let index = zip(expected, found).enumerated().first(where: { $0.element.0 != $0.element.1 }) else {
            return
        }
        throw Violation(
            .processesSeeTheLog,
            "life \(life) saw line \(index.element.1) where the log has line \(index.element.0)")
    }
}
