import Foundation
import HTTPTypes
import LocalAPI
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

@Suite struct BackupRouteTests {
    @Test func `a backup returns its path, size and time, and a second one within a second is refused`()
        async throws
    {
        try await APIHarness.run { api in
            _ = try await api.submit("1")
            let directory = try TemporaryDirectory()
            let answer = try await api.ask(.post, "/v1/backup", #"{"directory":"\#(directory.path)"}"#)
            #expect(answer.status == 201, "\(answer.text)")
            #expect(answer.json.object?.names == ["path", "size_bytes", "created_at"])
            let path = try #require(answer.json["path"]?.string)
            let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int64
            #expect(answer.json["size_bytes"]?.number?.integer == size)
            #expect(answer.json["created_at"]?.string == APIHarness.start.rfc3339)
            let again = try await api.ask(.post, "/v1/backup", #"{"directory":"\#(directory.path)"}"#)
            #expect(again.status == 409 && again.problemCode == "backup_exists", "\(again.text)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).count == 1)
        }
    }

    @Test(arguments: [
        ("{}", "missing_field"), (#"{"directory":"backups"}"#, "invalid_field"),
        (#"{"directory":""}"#, "invalid_field"),
        (#"{"directory":"/tmp/\u0000"}"#, "invalid_field"), (#"{"directory":1}"#, "invalid_field"),
        (#"{"directory":"/tmp","name":"x"}"#, "unknown_field"),
        (#"{"directory":"/nowhere/at/all"}"#, "backup_directory_unusable"),
    ])
    func `an unusable backup directory is refused`(body: String, code: String) async throws {
        try await APIHarness.run { api in
            let answer = try await api.ask(.post, "/v1/backup", body)
            #expect(answer.status == 422)
            #expect(answer.problemCode == code, "\(answer.text)")
            if code != "unknown_field" { #expect(answer.json["fields"] == ["directory"]) }
        }
    }
}
