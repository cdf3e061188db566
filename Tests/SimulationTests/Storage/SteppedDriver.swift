import TaskModel
import TaskStore
import TaskTesting

/// The database of a simulated daemon. Every write waits for the driver, and fails while the disk is full or once the
/// daemon is dead. Some writes have an unknown outcome.
struct SteppedDriver: DriverWrapper {
    let base: any StoreDriver
    let world: World
    /// Whether an unknown commit is reported as not stored.
    var takesUnknownForNo = false
    /// Whether the database is on the disk that may be full.
    var isOnDisk = true
    let isDead: @Sendable () -> Bool

    func around<Value: Sendable>(
        _ call: StoreCall, _ body: () async throws(TaskStoreError) -> Value
    ) async throws(TaskStoreError) -> Value {
        // Reads change nothing, so only some of them are interrupted.
        if call.isWrite || world.random.happens(150) { await world.scheduler.park(call.words) }
        try refuseIfDead()
        if call.isWrite, isOnDisk, world.isDiskFull {
            world.note("\(call.words): the disk is full")
            throw .full
        }
        await wait(for: "request", to: call)
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
            await wait(for: "reply", to: call)
            // The write is on disk, and its caller has no reply yet.
            if world.random.happens(250) { await world.scheduler.park("\(call.words), done") }
            try refuseIfDead()
            return value
        } catch {
            if call.isWrite { world.note("\(call.words): \(error.code)") }
            throw error
        }
    }

    /// Waits while a renewal of leases is on its way to the database, or its reply on the way back.
    private func wait(for what: String, to call: StoreCall) async {
        guard case .write("acquire") = call, let delay = world.networkDelay() else { return }
        world.note("\(call.words): the \(what) is slow")
        await world.clock.sleep(until: world.clock.now() + delay)
    }

    /// The error that the daemon gets for a commit that may be on disk.
    private var doubt: TaskStoreError { takesUnknownForNo ? .full : .unknown }

    /// Ends the work of a dead daemon without a retry.
    private func refuseIfDead() throws(TaskStoreError) {
        if isDead() { throw .damaged("this daemon is dead") }
    }
}

extension StoreCall {
    /// The text for the trace.
    var words: String {
        switch self {
        case .apply(let events): "apply \(events.map(\.kind).joined(separator: ", "))"
        case .insert: "insert"
        case .write(let verb): verb
        case .read(let verb): "read \(verb)"
        }
    }
}
