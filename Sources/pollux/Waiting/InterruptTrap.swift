@preconcurrency import Dispatch

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Calls back on Ctrl-C instead of ending the program at once.
struct InterruptTrap {
    private let source: any DispatchSourceSignal

    init(_ onInterrupt: @escaping @Sendable () -> Void) {
        signal(SIGINT, SIG_IGN)
        source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
        source.setEventHandler(handler: onInterrupt)
        source.resume()
    }

    /// Gives Ctrl-C its usual meaning back.
    func release() {
        source.cancel()
        signal(SIGINT, SIG_DFL)
    }

    /// Ends the program as Ctrl-C would have, so that a shell loop around it ends too.
    static func endByInterrupt() -> Never {
        signal(SIGINT, SIG_DFL)
        // Dispatch blocks the signals it watches on its threads, and this may be one.
        var interrupt = sigset_t()
        sigemptyset(&interrupt)
        sigaddset(&interrupt, SIGINT)
        pthread_sigmask(SIG_UNBLOCK, &interrupt, nil)
        raise(SIGINT)
        exit(130)
    }
}
