import Foundation

/// Two daemons on different databases, measured in turn, so that the noise of the disk and of the machine meets both alike.
struct PairedDaemons {
    /// A median of each.
    struct Medians {
        let first: Double
        let second: Double
    }

    private let daemons: [DaemonProcess]

    /// Seconds from the start to the first answer. The state directories are not in use yet.
    static func starts(_ place: Place, _ first: String, _ second: String) throws -> Medians {
        try inTurn(15) { index in
            let daemon = try daemon(place, [first, second][index])
            daemon.server.stop()
            return daemon.secondsToAnswer
        }
    }

    /// Starts both. To be stopped by ``stop()``.
    init(_ place: Place, _ first: String, _ second: String) throws {
        daemons = try [first, second].map { try Self.daemon(place, $0) }
        // A start checks the pages of a large database beside its requests, which is not what a request costs later.
        for daemon in daemons { daemon.server.waitUntilIdle() }
    }

    func stop() {
        for daemon in daemons { daemon.server.stop() }
    }

    /// Microseconds from a request to its answer, with one client. The closure makes a request of one of the two, by number.
    func latencies(
        _ count: Int, expecting: String = "HTTP/1.1 200", _ request: (_ second: Bool, Int) -> [UInt8]
    ) throws -> Medians {
        let batch = 20
        var sent = [0, 0]
        func run(_ index: Int) throws -> Double {
            let start = sent[index]
            sent[index] += batch
            let outcome = try daemons[index].client(1, expecting: expecting).run(batch) {
                request(index == 1, start + $0)
            }
            guard outcome.refused == 0 else { throw BenchmarkError("\(outcome.refused) requests were refused") }
            return outcome.latencies.quantile(0.5)
        }
        // The first ones load code and fill caches.
        _ = try Self.inTurn(max(1, count / batch / 10), run)
        return try Self.inTurn(max(1, count / batch), run)
    }

    /// Measures both in turn so many times.
    private static func inTurn(_ count: Int, _ measure: (Int) throws -> Double) throws -> Medians {
        var samples: [[Double]] = [[], []]
        for round in 0..<count {
            // Each goes first in half of the rounds, since a batch may leave work to what follows.
            for index in round.isMultiple(of: 2) ? [0, 1] : [1, 0] { samples[index].append(try measure(index)) }
        }
        let medians = samples.map { $0.sorted()[count / 2] }
        return Medians(first: medians[0], second: medians[1])
    }

    private static func daemon(_ place: Place, _ state: String) throws -> DaemonProcess {
        // Without a token nothing is sent.
        try DaemonProcess(place, state: state, baseURL: "http://127.0.0.1:9/v1", token: false)
    }
}
