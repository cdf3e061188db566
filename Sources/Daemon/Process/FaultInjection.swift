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

/// Fault injection for tests. Release builds ignore it.
struct FaultInjection: Sendable {
    /// Called when the process passes a crash point.
    let passed: @Sendable (CrashPoint) -> Void
    /// Overrides how long the provider's list must lack a submission before it counts as absent.
    let absentSpan: Duration?
    /// Overrides how long a provider may take to list a new task.
    let listedWithin: Duration?
    /// Overrides how long the clock must be steady before it may end a task.
    let steadySpan: Duration?

    #if DEBUG
        /// Reads the test variables.
        ///
        /// `POLLUX_TEST_KILL_AT` kills the process with SIGKILL at a named point, like a power failure.
        /// `POLLUX_TEST_ABSENT_SPAN_SECONDS` shortens an absence proof, which takes two minutes.
        /// `POLLUX_TEST_LISTED_WITHIN_SECONDS` shortens the ten minutes before a task can be missing in a list.
        /// `POLLUX_TEST_STEADY_SPAN_SECONDS` shortens the minute of clock observation.
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
            listedWithin = span("POLLUX_TEST_LISTED_WITHIN_SECONDS")
            steadySpan = span("POLLUX_TEST_STEADY_SPAN_SECONDS")
        }
    #else
        init(environment: [String: String]) {
            passed = { _ in }
            absentSpan = nil
            listedWithin = nil
            steadySpan = nil
        }
    #endif
}
