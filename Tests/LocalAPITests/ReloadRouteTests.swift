import HTTPTypes
import LocalAPI
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

@Suite struct ReloadRouteTests {
    private struct Settings: SettingsReloading {
        let loaded = LoadedSettings(digest: "0123456789abcdef", loadedAt: APIHarness.start)
        let outcome: Result<[String], ReloadRefusal>

        func reload() async throws(ReloadRefusal) -> Reload {
            Reload(settings: loaded, changes: try outcome.get(), warnings: ["Careful."])
        }
    }

    @Test func `a reload returns the changed settings`() async throws {
        try await APIHarness.run(settings: Settings(outcome: .success(["log.level"]))) { api in
            let answer = try await api.ask(.post, "/v1/reload")
            #expect(answer.status == 200, "\(answer.text)")
            #expect(answer.json["changed"] == ["log.level"] && answer.json["warnings"] == ["Careful."])
            #expect(answer.json["settings"]?["digest"]?.string == "0123456789abcdef")
            #expect(answer.json["settings"]?["loaded_at"]?.string == APIHarness.start.rfc3339)
        }
    }

    private static let refusals: [(refusal: ReloadRefusal, status: Int, code: String, names: JSONValue?)] = [
        (.invalid("It is wrong."), 422, "bad_setting", nil),
        (.notStored(code: "storage_full", message: "The disk is full."), 503, "storage_full", nil),
        (.needsRestart(["socket", "callbacks.listen"]), 409, "restart_needed", ["socket", "callbacks.listen"]),
    ]

    @Test(arguments: refusals)
    func `a refused reload says what is wrong`(
        refusal: ReloadRefusal, status: Int, code: String, names: JSONValue?
    ) async throws {
        try await APIHarness.run(settings: Settings(outcome: .failure(refusal))) { api in
            let answer = try await api.ask(.post, "/v1/reload")
            #expect(answer.status == status && answer.problemCode == code, "\(answer.text)")
            #expect(answer.json["settings"] == names)
            #expect(answer.json["detail"]?.string == refusal.message)
        }
    }

    @Test func `the status shows the loaded settings`() async throws {
        try await APIHarness.run { api in
            let status = try await api.ask(.get, "/v1/status").json
            #expect(status["settings"]?["digest"]?.string == "0123456789abcdef")
            #expect(status["held"] == .null)
        }
    }
}
