#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// How many files and connections this process may have open.
enum FileDescriptorLimit {
    /// What the database, the log and requests to providers need at most; the socket's connections get the rest.
    private static let reserved = 160

    /// Takes as many as the system grants, and says how many connections of the socket that leaves room for.
    ///
    /// Where connections took the last descriptor, the socket could take no more and answers could not be stored.
    static func connections(wanted: Int) -> Int {
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return wanted }
        let enough = rlim_t(wanted + reserved)
        if limit.rlim_cur < enough {
            var raised = limit
            raised.rlim_cur = min(enough, limit.rlim_max)
            if setrlimit(resource, &raised) == 0 { limit = raised }
        }
        guard limit.rlim_cur < enough else { return wanted }
        return max(Int(limit.rlim_cur) - reserved, Int(limit.rlim_cur) / 4, 4)
    }

    #if canImport(Glibc)
        private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
        private static let resource = RLIMIT_NOFILE
    #endif
}

/// The open files that connections and streams of events may take. Connections come first, and leave streams a quarter.
struct ConnectionShares: Equatable {
    let connections: Int
    let streams: Int

    init(of possible: Int, connections wantedConnections: Int, streams wantedStreams: Int) {
        connections = min(wantedConnections, max(possible - wantedStreams, possible * 3 / 4, 1))
        streams = min(wantedStreams, max(possible - connections, 1))
    }
}
