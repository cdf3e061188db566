import Synchronization
import TaskModel
import TaskStore

/// The witness beside a simulated database. It survives crashes as the disk does.
final class SimulatedWitness: Sendable {
    let statement = Mutex<WitnessStatement?>(nil)

    /// The witness of one daemon incarnation. Each write is a step and fails while the disk is full.
    struct Writer: Witness {
        let witness: SimulatedWitness
        let world: World
        let isDead: @Sendable () -> Bool

        func read() -> WitnessStatement? { witness.statement.withLock { $0 } }

        func refresh(_ statement: WitnessStatement) async {
            witness.statement.withLock { if $0?.sequence == statement.sequence { $0?.at = statement.at } }
        }

        func write(_ statement: WitnessStatement) async throws(TaskStoreError) {
            await world.scheduler.park("witness")
            if isDead() { throw .damaged("this daemon is dead") }
            if world.isDiskFull { throw .full }
            witness.statement.withLock { present in
                if let present, present.isOriginal, present.epoch == statement.epoch,
                    present.sequence >= statement.sequence
                {
                    return
                }
                present = statement
            }
        }
    }
}
