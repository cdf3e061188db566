import NIOPosix
package import ProviderCatalog
import ServiceLifecycle
import Synchronization
package import TaskEngine
import TaskModel
import TaskStore

/// ProgramRunner runs programs that take notifications: the task on standard input, what it is about in the environment.
package final class ProgramRunner: Sendable {
    /// The most programs at once.
    private static let mostAtOnce = 4

    private let pool = NIOThreadPool(numberOfThreads: mostAtOnce)
    private let environment: Current<[String: String]>
    private let limits: ProgramRun.Limits
    private let elapsed: @Sendable () -> Duration

    /// `environment` is that of the daemon without the providers' tokens. `elapsed` is the monotonic clock.
    package init(
        environment: Current<[String: String]>, limits: ProgramRun.Limits = ProgramRun.Limits(),
        elapsed: @escaping @Sendable () -> Duration
    ) {
        self.environment = environment
        self.limits = limits
        self.elapsed = elapsed
        pool.start()
    }

    /// Runs a program to its end, and says by its exit code what became of the notification. A program that runs when the daemon
    /// stops is ended.
    package func run(
        _ arguments: [String], with input: [UInt8], about notification: TaskNotification
    ) async -> DeliveryQueue.Outcome {
        let variables = environment.wrappedValue.merging(notification.variables) { $1 }
        let run = ProgramRun(
            arguments: arguments, environment: variables, input: input, limits: limits, elapsed: elapsed)
        return await withTaskCancellationOrGracefulShutdownHandler {
            // The pool takes no work when the daemon has stopped.
            (try? await pool.runIfActive { run.run() }) ?? .notSent
        } onCancelOrGracefulShutdown: {
            run.stop()
        }
    }

    package func shutdown() async throws { try await pool.shutdownGracefully() }
}

extension TaskNotification {
    /// What it is about, for the environment of a program.
    fileprivate var variables: [String: String] {
        var variables = ["POLLUX_EVENT": type]
        guard let task = task?.task else { return variables }
        variables["POLLUX_TASK_ID"] = task.id.text
        variables["POLLUX_STATE"] = task.state.rawValue
        variables["POLLUX_ENDPOINT"] = task.endpoint.text
        for (name, value) in task.labels {
            let word = name.uppercased().unicodeScalars.map { scalar in
                ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar) ? Character(scalar) : "_"
            }
            variables["POLLUX_LABEL_" + String(word)] = value
        }
        return variables
    }
}
