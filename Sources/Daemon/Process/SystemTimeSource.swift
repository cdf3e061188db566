import FoundationEssentials
import LocalAPI
import NIOCore
import NIOPosix
import Synchronization
import TaskEngine
package import TaskModel

/// Provides the system clocks.
///
/// All timers are on one event loop, because a timer of Swift or Dispatch wakes up to three threads.
package struct SystemTimeSource: TimeSource {
    private let start = ContinuousClock.now
    private let loop = MultiThreadedEventLoopGroup.singleton.next()
    private let origin = NIODeadline.now()

    package init() {}

    package func now() -> Timestamp { Timestamp(Date()) }

    package func elapsed() -> Duration { start.duration(to: .now) }

    /// The loop compares the clocks in short steps, to notice within seconds that a clock was set forward or the
    /// machine slept.
    package func sleep(until point: Timestamp) async {
        let end = elapsed() + (point - now())
        await wait {
            let left = min(point - now(), end - elapsed())
            guard left > .zero else { return nil }
            let step = 2 * Self.secondsBetweenChecks
            return left < .seconds(step) ? min(.now() + TimeAmount(left), next(of: step)) : next(of: step)
        }
    }

    /// Calls it on the thread of the loop, so that a check wakes no other thread.
    package func repeatEachCheck(_ body: @escaping @Sendable () async -> Bool) async {
        await withTaskExecutorPreference(EventLoopExecutor(loop)) {
            while await body(), !Task.isCancelled {
                let check = next(of: Self.secondsBetweenChecks)
                await wait { .now() < check ? check : nil }
            }
        }
    }

    private static let secondsBetweenChecks: Int64 = 4

    /// The next multiple of this many seconds since the start. It is the same moment for all callers before it.
    private func next(of seconds: Int64) -> NIODeadline {
        let step = TimeAmount.seconds(seconds)
        return origin + step * ((.now() - origin).nanoseconds / step.nanoseconds + 1)
    }

    /// Waits until `next` returns nil or the task is cancelled. It calls `next` again at each returned time.
    private func wait(_ next: @escaping @Sendable () -> NIODeadline?) async {
        let timer = LoopTimer(on: loop, next: next)
        await withTaskCancellationHandler {
            await withCheckedContinuation { timer.start($0) }
        } onCancel: {
            timer.end()
        }
    }
}

/// Resumes a task after a number of timers of an event loop. It runs only `next` between them.
private final class LoopTimer: Sendable {
    private enum State {
        case new
        case waiting(CheckedContinuation<Void, Never>, Scheduled<Void>?)
        case over
    }

    private let state = Mutex(State.new)
    private let loop: any EventLoop
    private let next: @Sendable () -> NIODeadline?

    init(on loop: any EventLoop, next: @escaping @Sendable () -> NIODeadline?) {
        self.loop = loop
        self.next = next
    }

    func start(_ continuation: CheckedContinuation<Void, Never>) {
        let isOver = state.withLock { state in
            if case .over = state { return true }
            state = .waiting(continuation, nil)
            return false
        }
        if isOver { continuation.resume() } else { schedule() }
    }

    private func schedule() {
        guard let deadline = next() else { return end() }
        state.withLock { state in
            guard case .waiting(let continuation, _) = state else { return }
            state = .waiting(continuation, loop.scheduleTask(deadline: deadline) { self.schedule() })
        }
    }

    /// Resumes the task now, or at once if it has not started to wait.
    func end() {
        let before = state.withLock { state in
            defer { state = .over }
            return state
        }
        guard case .waiting(let continuation, let scheduled) = before else { return }
        scheduled?.cancel()
        continuation.resume()
    }
}
