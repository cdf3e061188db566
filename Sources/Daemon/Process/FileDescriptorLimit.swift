#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Raises and shares the limit of open files and connections of this process.
enum FileDescriptorLimit {
    /// The maximum number for the database, the log and requests to providers; the socket's connections get the rest.
    private static let reserved = 160

    /// Raises the limit as far as the system allows, and returns how many connections of the socket fit.
    ///
    /// If connections used all descriptors, the socket could accept no more and replies could not be stored.
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

/// The open files for connections and event streams. Connections come first, and leave streams a quarter.
struct ConnectionShares: Equatable {
    let connections: Int
    let streams: Int

    init(of possible: Int, connections wantedConnections: Int, streams wantedStreams: Int) {
        connections = min(wantedConnections, max(possible - wantedStreams, possible * 3 / 4, 1))
        streams = min(wantedStreams, max(possible - connections, 1))
    }
}
