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

    #if DEBUG
        /// `POLLUX_TEST_KILL_AT` kills the process with SIGKILL at a named point, the way a power failure would;
        /// `POLLUX_TEST_ABSENT_SPAN_SECONDS` shortens a proof that takes two minutes.
        init(environment: [String: String]) {
            let point = environment["POLLUX_TEST_KILL_AT"].flatMap(CrashPoint.init(rawValue:))
            passed = { reached in
                guard reached == point else { return }
                kill(getpid(), SIGKILL)
            }
            absentSpan = environment["POLLUX_TEST_ABSENT_SPAN_SECONDS"].flatMap(Double.init).map {
                .seconds(rounding: $0)
            }
        }
    #else
        init(environment: [String: String]) {
            passed = { _ in }
            absentSpan = nil
        }
    #endif
}
