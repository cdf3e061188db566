import Logging
import TaskEngine
import TaskModel
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What tests ask of a debug build; nothing of it is in a release build.
struct TestHooks: Sendable {
    /// Told when a point is passed.
    let passed: @Sendable (CrashPoint) -> Void
    /// Replaces how long the provider's list must be without a submission.
    let absentSpan: Duration?
    /// Replaces how long the clock must be steady before it ends a task.
    let steadySpan: Duration?

    #if DEBUG
        /// `POLLUX_TEST_KILL_AT` kills the process with SIGKILL at a named point, the way a power failure would;
        /// `POLLUX_TEST_ABSENT_SPAN_SECONDS` shortens a proof that takes two minutes, `POLLUX_TEST_STEADY_SPAN_SECONDS` the
        /// minute for which a clock must be watched.
        init(environment: [String: String]) {
            let point = environment["POLLUX_TEST_KILL_AT"].flatMap(CrashPoint.init(rawValue:))
            passed = { reached in
                guard reached == point else { return }
                kill(getpid(), SIGKILL)
            }
            func span(_ name: String) -> Duration? {
                environment[name].flatMap(Double.init).map { .seconds(rounding: $0) }
            }
            absentSpan = span("POLLUX_TEST_ABSENT_SPAN_SECONDS")
            steadySpan = span("POLLUX_TEST_STEADY_SPAN_SECONDS")
        }
    #else
        init(environment: [String: String]) {
            passed = { _ in }
            absentSpan = nil
            steadySpan = nil
        }
    #endif
}
