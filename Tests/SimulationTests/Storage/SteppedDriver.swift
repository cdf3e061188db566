import TaskModel
import TaskStore
import TaskTesting

/// The database as a daemon of the simulation sees it: every write waits for the director, and fails while the disk is full
/// or once the daemon is dead. Now and then nobody can say whether a write is on disk.
struct SteppedDriver: DriverWrapper {
    let base: any StoreDriver
    let world: World
    /// Says "not stored" where nobody can say.
    var takesUnknownForNo = false
    let isDead: @Sendable () -> Bool

    func around<Value: Sendable>(
        _ call: StoreCall, _ body: () async throws(TaskStoreError) -> Value
    ) async throws(TaskStoreError) -> Value {
        // Reads change nothing, so that only some of them are worth an interruption.
        if call.isWrite || world.random.happens(150) { await world.scheduler.park(call.words) }
        try refuseIfDead()
        if call.isWrite, world.isDiskFull {
            world.note("\(call.words): the disk is full")
            throw .full
        }
        let isDoubtful = call.isWrite && world.losesCommit()
        if isDoubtful, world.commitRandom.happens(500) {
            world.note("\(call.words): not on disk, which nobody knows")
            throw doubt
        }
        do throws(TaskStoreError) {
            let value = try await body()
            if isDoubtful {
                world.note("\(call.words): on disk, which nobody knows")
                world.touch()
                throw doubt
            }
            guard call.isWrite else { return value }
            world.note(call.words)
            world.touch()
            // It is on disk, and whoever asked for it does not know yet.
            if world.random.happens(250) { await world.scheduler.park("\(call.words), done") }
            try refuseIfDead()
            return value
        } catch {
            if call.isWrite { world.note("\(call.words): \(error.code)") }
            throw error
        }
    }

    /// What the daemon is told of a commit that may be on disk.
    private var doubt: TaskStoreError { takesUnknownForNo ? .full : .unknown }

    /// What a dead daemon still tries ends here, and nothing tries that again.
    private func refuseIfDead() throws(TaskStoreError) {
        if isDead() { throw .damaged("this daemon is dead") }
    }
}

extension StoreCall {
    /// For the trace.
    var words: String {
        switch self {
        case .apply(let events): "apply \(events.map(\.kind).joined(separator: ", "))"
        case .insert: "insert"
        case .write(let verb): verb
        case .read(let verb): "read \(verb)"
        }
    }
}
