import Foundation
import Testing
import VerbatimJSON

/// The duration of the soak test; nil if it is not requested.
private let soakMinutes = ProcessInfo.processInfo.environment["POLLUX_SOAK_MINUTES"].flatMap { Double($0) }

extension EndToEnd {
    /// Measures the daemon's resources under constant load. `scripts/run-soak.sh MINUTES` runs it.
    @Suite(.enabled(if: soakMinutes != nil, "scripts/run-soak.sh says for how long"))
    struct SoakTests {
        @Test func `under constant load memory, descriptors and the write-ahead log stay constant`() async throws {
            let minutes = try #require(soakMinutes)
            let folder = ProcessInfo.processInfo.environment["POLLUX_SOAK_OUTPUT"] ?? "."
            try await withWorld(speed: 60) { world in
                try await world.daemon.start()
                let isOver = Watched(false)
                async let finished = load(world.daemon, until: isOver)
                let began = Date()
                var samples: [ProcessSample] = []
                while Date().timeIntervalSince(began) < minutes * 60 {
                    // The daemon does not exit by itself, so this only waits.
                    _ = try? await world.daemon.process.exit(within: max(1, minutes * 60 / 240))
                    samples.append(try ProcessSample(of: world.daemon, at: Date().timeIntervalSince(began)))
                }
                isOver.change { $0 = true }
                let tasks = try await finished
                let drawing = SoakDrawing(samples: samples, title: "\(tasks) tasks in \(Int(minutes)) minutes")
                try drawing.svg.write(toFile: folder + "/soak.svg", atomically: true, encoding: .utf8)
                try drawing.csv.write(toFile: folder + "/soak.csv", atomically: true, encoding: .utf8)
                print("Soak: \(tasks) tasks. \(drawing.summary)")

                // The first third warms up caches, pools and the allocator.
                let settled = Array(samples.dropFirst(samples.count / 3))
                let memory = Trend(settled.map { ($0.second, $0.bytesBesidePages) })
                #expect(memory.growth < 0.1, "memory grew by \(memory.growth * 100) % after the first third")
                let descriptors = Trend(settled.map { ($0.second, $0.descriptors) })
                #expect(descriptors.growth < 0.1, "descriptors grew by \(descriptors.growth * 100) %")
                let largest = samples.map(\.walBytes).max() ?? 0
                #expect(largest < 64_000_000, "the write-ahead log reached \(largest) bytes")
                #expect(tasks > Int(minutes * 60), "There was too little load.")
            }
        }

        /// Eight clients submit one task after another. Returns how many tasks ended.
        private func load(_ daemon: RunningDaemon, until isOver: Watched<Bool>) async throws -> Int {
            try await withThrowingTaskGroup(of: Int.self) { group in
                for client in 0..<8 {
                    group.addTask {
                        var count = 0
                        while !isOver.current {
                            let endpoint = StormTests.endpoints[count % StormTests.endpoints.count]
                            let prompt = "\(client)-\(count) [seconds=\(5 + count % 5 * 5)]"
                            let task = try await daemon.submit(endpoint, ["prompt": .string(prompt)])
                            let end = try await daemon.ended(task.at("id").string ?? "", within: 60)
                            #expect(end.at("state").string == "succeeded")
                            count += 1
                        }
                        return count
                    }
                }
                return try await group.reduce(0, +)
            }
        }
    }
}

/// The daemon's resource usage at one moment.
struct ProcessSample: Sendable {
    /// Seconds since the start.
    let second: Double
    let residentBytes: Double
    /// Open file descriptors.
    let descriptors: Double
    let databaseBytes: Double
    let walBytes: Double

    /// Resident memory without SQLite's page caches: the database size, up to the caches of the writer (16 MB), four
    /// readers and two long readers (4 MB each). They grow with the database and then stop.
    var bytesBesidePages: Double { residentBytes - min(databaseBytes, 40_000_000) }

    init(of daemon: RunningDaemon, at second: Double) throws {
        self.second = second
        let process = "/proc/\(daemon.process.pid)"
        let pages = try String(contentsOfFile: process + "/statm", encoding: .utf8).split(separator: " ")
        residentBytes = (Double(pages[1]) ?? 0) * 4_096
        descriptors = Double(try FileManager.default.contentsOfDirectory(atPath: process + "/fd").count)
        func size(_ name: String) -> Double {
            let attributes = try? FileManager.default.attributesOfItem(atPath: daemon.stateDirectory + "/" + name)
            return (attributes?[.size] as? NSNumber)?.doubleValue ?? 0
        }
        databaseBytes = size("pollux.sqlite")
        walBytes = size("pollux.sqlite-wal")
    }
}

/// A least-squares line through measurements.
struct Trend {
    /// The rise from the first to the last measurement, relative to the first.
    let growth: Double

    init(_ points: [(x: Double, y: Double)]) {
        let count = Double(points.count)
        let (meanX, meanY) = (points.map(\.x).reduce(0, +) / count, points.map(\.y).reduce(0, +) / count)
        let covariance = points.map { ($0.x - meanX) * ($0.y - meanY) }.reduce(0, +)
        let variance = points.map { ($0.x - meanX) * ($0.x - meanX) }.reduce(0, +)
        let slope = variance > 0 ? covariance / variance : 0
        let first = meanY + slope * ((points.first?.x ?? 0) - meanX)
        growth = first > 0 ? slope * ((points.last?.x ?? 0) - (points.first?.x ?? 0)) / first : 0
    }
}
