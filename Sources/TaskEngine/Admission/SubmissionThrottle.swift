import Synchronization
import TaskModel

/// Enforces the minimum gap between an account's submissions to a service.
final class SubmissionThrottle: Sendable {
    private let nextFree = Mutex<[AccountService: Duration]>([:])
    private let time: any TimeSource

    init(_ time: any TimeSource) {
        self.time = time
    }

    /// When the next submission of the service may be sent; nil for now.
    func nextSlot(of service: AccountService) -> Timestamp? {
        let elapsed = time.elapsed()
        guard let free = nextFree.withLock({ $0[service] }), free > elapsed else { return nil }
        return time.now() + (free - elapsed)
    }

    /// Takes the service's next slot if it is now; otherwise returns its time. A nil rate has no limit.
    func reserve(_ service: AccountService, perSecond rate: Double?) -> Timestamp? {
        nextFree.withLock { nextFree in
            let elapsed = time.elapsed()
            if let free = nextFree[service], free > elapsed { return time.now() + (free - elapsed) }
            if let rate, rate > 0 { nextFree[service] = elapsed + .seconds(rounding: 1 / rate) }
            return nil
        }
    }

    /// Counts a submission that is sent now. A nil rate has no limit.
    func take(_ service: AccountService, perSecond rate: Double?) {
        guard let rate, rate > 0 else { return }
        nextFree.withLock { $0[service] = time.elapsed() + .seconds(rounding: 1 / rate) }
    }
}
