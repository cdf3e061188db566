import Foundation
import Glibc
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests the address of the metrics, and the log as JSON.
    @Suite struct MetricsTests {
        private func ask(_ port: Int, _ method: String, _ target: String) async throws -> Reply {
            try await onThread {
                let connection = try Connection(port: port)
                try connection.write("\(method) \(target) HTTP/1.1\r\nHost: metrics\r\nConnection: close\r\n\r\n")
                return method == "HEAD" ? try connection.head() : try connection.reply()
            }
        }

        @Test func `metrics have an address of their own, and nothing else is there`() async throws {
            try await withWorld { world in
                try await world.daemon.start(["POLLUX_METRICS_LISTEN": "127.0.0.1:0"])
                try await world.daemon.process.logged("Metrics are shown at ")
                let shown = try #require(
                    world.daemon.log.firstMatch(of: /Metrics are shown at http:\/\/(127\.0\.0\.1:(\d+))\/metrics/))
                let (address, port) = (String(shown.1), try #require(Int(shown.2)))
                let task = try await world.daemon.submit("flux/images", ["prompt": "a fox [seconds=5]"])
                _ = try await world.daemon.ended(task.at("id").string ?? "")
                let metrics = try await ask(port, "GET", "/metrics")
                #expect(metrics.status == 200)
                #expect(metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
                for line in [
                    #"pollux_tasks{state="succeeded",provider="xhuoapi"} 1"#,
                    #"pollux_submissions_total{endpoint="flux/images",outcome="accepted"} 1"#,
                    #"pollux_task_duration_seconds_count{outcome="succeeded"} 1"#,
                ] {
                    #expect(metrics.text.contains("\n\(line)\n"), "\(line) is missing in\n\(metrics.text)")
                }
                #expect(!metrics.text.contains("\npollux_commit_seconds_count 0\n"))
                #expect(try await ask(port, "HEAD", "/metrics").status == 200)
                for path in ["/", "/v1/tasks", "/healthz", "/metrics/x"] {
                    #expect(try await ask(port, "GET", path).status == 404, "\(path)")
                }
                // A second daemon names the setting whose address is taken.
                let other = RunningDaemon(
                    directory: world.directory + "/other", environment: ["POLLUX_METRICS_LISTEN": address])
                let process = try other.launch()
                #expect(try await process.exit() != .code(0))
                #expect(process.errorText.contains("metrics.listen is \(address), which cannot be opened"))
                await other.destroy()
            }
        }

        @Test func `each line of a JSON log is an object, and a reload changes the format`() async throws {
            try await withWorld(faults: "lost-reply=1") { world in
                let settings = world.directory + "/.config/pollux/pollux.yaml"
                try FileManager.default.createDirectory(
                    atPath: world.directory + "/.config/pollux", withIntermediateDirectories: true)
                try Data("log: {format: json}\n".utf8).write(to: URL(filePath: settings))
                try await world.daemon.start()
                let task = try await world.daemon.submit("flux/images", ["prompt": "a fox [seconds=5]"])
                let id = task.at("id").string ?? ""
                try await world.daemon.process.logged("reply_lost")
                let lines = world.daemon.log.split(separator: "\n").map { try? JSONValue(parsing: String($0)).object }
                #expect(!lines.isEmpty)
                for line in lines {
                    let names = try #require(line).names
                    #expect(names.prefix(3) == ["ts", "level", "msg"])
                    #expect(Set(names).isSubset(of: ["ts", "level", "msg", "task", "endpoint", "code"]))
                }
                let lost = try #require(lines.compactMap { $0 }.first { $0["code"] == "reply_lost" })
                #expect(lost["task"]?.string == id && lost["endpoint"] == "flux/images" && lost["level"] == "warning")
                #expect(lost["msg"]?.string?.hasPrefix("\(id) flux/images submitting → uncertain") == true)

                try Data("log: {format: text}\n".utf8).write(to: URL(filePath: settings))
                world.daemon.process.send(SIGHUP)
                try await world.daemon.process.logged(" NOTICE The settings were reloaded: log.format.")
            }
        }
    }
}
