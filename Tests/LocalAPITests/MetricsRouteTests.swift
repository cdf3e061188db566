import Foundation
import HTTPTypes
import TaskModel
import TaskStore
import Testing

@testable import LocalAPI
@testable import TaskEngine

@Suite struct MetricsRouteTests {
    @Test func `the metrics are in the text format of Prometheus`() async throws {
        try await APIHarness.run { api in
            _ = try await api.submit("1")
            let answer = try await api.ask(.get, "/metrics")
            #expect(answer.status == 200)
            #expect(answer.type == "text/plain; version=0.0.4; charset=utf-8")
            let lines = answer.text.split(separator: "\n")
            for line in [
                "# TYPE pollux_tasks gauge", #"pollux_tasks{state="queued",provider="xhuoapi"} 1"#,
                #"pollux_tasks{state="running",provider="openai"} 0"#, "pollux_uncertain_tasks 0",
                #"pollux_build_info{version="1.2.3"} 1"#, "pollux_start_time_seconds 1795000000",
                #"pollux_poll_lateness_seconds_bucket{le="+Inf"} 0"#, "# TYPE pollux_commit_seconds histogram",
            ] {
                #expect(lines.contains { $0 == line }, "\(line) is missing in\n\(answer.text)")
            }
            #expect(answer.text.hasSuffix("\n"))
            // Each series is there once, and each name has one type before it.
            let series = lines.filter { !$0.hasPrefix("#") }.map { $0[..<($0.lastIndex(of: " ") ?? $0.endIndex)] }
            #expect(Set(series).count == series.count)
            let types = lines.filter { $0.hasPrefix("# TYPE") }
            #expect(Set(types.map { $0.split(separator: " ")[2] }).count == types.count)
        }
    }

    @Test func `a replaced database leaves what is in memory`() async throws {
        try await APIHarness.run { api in
            let path = try await api.store.info().path
            try FileManager.default.moveItem(atPath: path, toPath: path + ".aside")
            let answer = try await api.ask(.get, "/metrics")
            try FileManager.default.moveItem(atPath: path + ".aside", toPath: path)
            #expect(answer.status == 200)
            #expect(answer.text.contains("\npollux_storage_failed 1\n"), "\(answer.text)")
        }
    }

    @Test func `labels and help are escaped`() {
        var family = MetricFamily("m", .gauge, "one\\two\nthree \"four\"")
        family.add(0.25, ("name", "a\"b\\c\nd"))
        family.add(-3, ("name", "e"))
        #expect(
            [family].text == """
                # HELP m one\\\\two\\nthree "four"
                # TYPE m gauge
                m{name="a\\"b\\\\c\\nd"} 0.25
                m{name="e"} -3

                """)
        #expect([MetricFamily("empty", .counter, "none")].text == "")
    }
}
