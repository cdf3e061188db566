import Foundation
import Glibc

/// Measures processor time per task at the provider's documented limit: five queries a second, 250 tasks in flight.
struct LimitBenchmarks {
    let place: Place
    let report: Report

    func run() throws {
        // The number of tasks in flight is tasks per second times the seconds of each.
        let (perSecond, taskSeconds) = (5, place.isQuick ? 5 : 50)
        let (warmUp, measured) = place.isQuick ? (8, 8) : (75, 120)
        let port = try RawSocket.freePort()
        let sandbox = try ServerProcess(place.pollux, ["sandbox", "--port", "\(port)", "--seed", "1"])
        defer { sandbox.stop() }
        try sandbox.ready {
            guard let fd = try? RawSocket.tcp(port) else { return false }
            close(fd)
            return true
        }
        let daemon = try DaemonProcess(
            place, state: try place.directory("limit"), baseURL: "http://127.0.0.1:\(port)/v1",
            settings: [
                "POLLUX_POLLING_MAX_REQUESTS_PER_SECOND": "5", "POLLUX_SUBMISSION_MAX_PER_SECOND": "\(perSecond)",
                "POLLUX_SUBMISSION_MAX_IN_FLIGHT": "\(perSecond * taskSeconds)",
            ])
        defer { daemon.server.stop() }
        let submit = HTTPText.request(
            "POST", "/v1/tasks",
            #"{"endpoint":"flux/images","request":{"prompt":"a white siamese cat [seconds=\#(taskSeconds)]"}}"#)
        let count = perSecond * (warmUp + measured + taskSeconds)
        let outcome = try daemon.client(8, expecting: "HTTP/1.1 201").run(count) { _ in submit }
        guard outcome.refused == 0 else { throw BenchmarkError("\(outcome.refused) submissions were refused") }
        usleep(UInt32(warmUp) * 1_000_000)
        let (before, ended) = (daemon.server.processorSeconds, try succeeded(daemon))
        usleep(UInt32(measured) * 1_000_000)
        let (spent, tasks) = (daemon.server.processorSeconds - before, try succeeded(daemon) - ended)
        guard tasks > 0 else { throw BenchmarkError("no task ended in \(measured) s") }
        let words = "\(perSecond) queries/s, \(perSecond * taskSeconds) tasks in flight"
        report.add("limit: tasks that ended at \(words)", Double(tasks) / Double(measured), "/s")
        report.add("limit: processor time per task at \(words)", spent / Double(tasks) * 1_000, " ms")
    }

    private func succeeded(_ daemon: DaemonProcess) throws -> Int {
        var text = ""
        _ = try daemon.client(1).run(1, onAnswer: { text = String(decoding: $0, as: UTF8.self) }) { _ in
            HTTPText.request("GET", "/v1/status")
        }
        return text.firstMatch(of: /"succeeded":\s*(\d+)/).flatMap { Int($0.1) } ?? 0
    }
}
