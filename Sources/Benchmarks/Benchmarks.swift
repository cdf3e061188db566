import Foundation

/// Measures Pollux beside the limits of its parts, in one run.
///
/// Run by scripts/run-benchmarks.sh: `benchmarks POLLUX OUTPUT [--quick] [GROUP]…`, with the groups
/// that `run()` names.
@main
enum Benchmarks {
    static func main() async {
        do {
            try await run()
        } catch {
            FileHandle.standardError.write(Data("benchmarks: \(error)\n".utf8))
            exit(1)
        }
    }

    private static func run() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.first == "bare-server", arguments.count == 2 {
            return try await BareServer.run(socket: arguments[1])
        }
        if arguments.first == "bare-proxy", arguments.count == 3, let port = Int(arguments[1]) {
            return try await BareProxy.run(port: port, provider: arguments[2])
        }
        guard arguments.count >= 2 else { throw BenchmarkError("which binary, and where to write?") }
        let chosen = Set(arguments.dropFirst(2).filter { !$0.hasPrefix("-") })
        let scratch =
            FileManager.default.temporaryDirectory.path + "/pollux-bench-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(
            atPath: scratch, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        let place = Place(
            pollux: arguments[0], benchmarks: "/proc/self/exe".resolved, scratch: scratch,
            isQuick: arguments.contains("--quick"))
        let report = Report()
        print("\(Machine.words), \(place.isQuick ? "quick" : "full") run\n")
        func isChosen(_ name: String) -> Bool { chosen.isEmpty || chosen.contains(name) }
        if isChosen("socket") { try SocketBenchmarks(place: place, report: report).run() }
        if isChosen("streams") { try StreamBenchmarks(place: place, report: report).run() }
        if isChosen("notifications") { try await NotificationBenchmarks(place: place, report: report).run() }
        if isChosen("downloads") { try DownloadBenchmarks(place: place, report: report).run() }
        if isChosen("polls") { try await PollBenchmarks(place: place, report: report).run() }
        if isChosen("gateway") { try await GatewayBenchmarks(place: place, report: report).run() }
        if isChosen("scheduler") { try await SchedulerBenchmarks(place: place, report: report).run() }
        if isChosen("start") { try StartBenchmarks(place: place, report: report).run() }
        if isChosen("idle") { try IdleBenchmarks(place: place, report: report).run() }
        if isChosen("ended") { try EndedBenchmarks(place: place, report: report).run() }
        if isChosen("retention") { try await RetentionBenchmarks(place: place, report: report).run() }
        if isChosen("postgres") { try await PostgresBenchmarks(place: place, report: report).run() }
        if isChosen("limit") { try LimitBenchmarks(place: place, report: report).run() }
        if isChosen("instructions") { try InstructionBenchmarks(place: place, report: report).run() }
        if isChosen("neighbours") { try NeighbourBenchmarks(place: place, report: report).run() }
        try report.write(to: arguments[1])
    }
}

extension String {
    /// The target of a symbolic link.
    fileprivate var resolved: String { (try? FileManager.default.destinationOfSymbolicLink(atPath: self)) ?? self }
}
