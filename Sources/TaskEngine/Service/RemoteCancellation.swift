import Logging
import ProviderCatalog
import TaskModel
import TaskStore

/// Asks providers to cancel tasks.
struct RemoteCancellation: Sendable {
    @Current var catalog: ProviderCatalog
    let admission: AdmissionControl
    let transport: any UpstreamTransport
    let logger: Logger

    /// Asks once, after the cancellation is on disk. The reply does not change the task.
    func request(_ stored: TaskWithPayload) async {
        let task = stored.task
        guard let id = task.remoteID, let profile = catalog.endpoint(task.endpoint),
            let cancelling = profile.dialect.cancelling, admission.accounts.canSend(by: profile.owner(of: task))
        else { return }
        let owner = profile.owner(of: task)
        do throws(RequestProblem) {
            guard let request = try cancelling.cancellation(of: id, record: stored.payload.response) else { return }
            do throws(UpstreamTransportError) {
                let reply = try await transport.send(
                    request, by: owner, isPaid: false, timeout: .seconds(10))
                guard let (failure, suspendsProvider) = cancelling.problem(in: reply) else {
                    logger.about(task).info(
                        "\(task.id) \(profile.provider) was asked to cancel it: HTTP status \(reply.status)")
                    return
                }
                if suspendsProvider { await admission.suspend(owner, because: failure) }
                logger.about(task, code: failure.code).warning(
                    "\(task.id) \(profile.provider) did not cancel it, so it may be billed: \(failure.code): \(failure.message)"
                )
            } catch {
                logger.about(task, code: TaskFailure(error).code).warning(
                    "\(task.id) \(profile.provider) could not be asked to cancel it: \(TaskFailure(error).message)")
            }
        } catch {
            logger.about(task).warning(
                "\(task.id) cannot be cancelled at \(profile.provider): \(error.field) \(error.problem)")
        }
    }
}
