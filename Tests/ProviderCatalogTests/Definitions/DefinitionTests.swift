@testable import ProviderCatalog
import TaskModel
import Testing

/// Tests the errors of invalid definitions.
@Suite struct DefinitionTests {
    private static let head = "provider: p\ndefault: true\nbase_url: https://p.example\nmax_requests_per_second: 2\n"

    private func message(_ yaml: String) -> String? {
        do throws(CatalogError) {
            _ = try ProviderCatalog(definitions: [("p.yaml", yaml)])
            return nil
        } catch {
            #expect(error.code == "definition_invalid")
            return error.message
        }
    }

    private func message(endpoint field: String) -> String? {
        message(Self.head + "services:\n  s:\n    endpoints:\n      make:\n        \(field)\n")
    }

    @Test func `a minimal definition is valid`() throws {
        let yaml = Self.head + "services:\n  s:\n    endpoints:\n      make: {typical_seconds: 1.5}\n"
        let catalog = try ProviderCatalog(definitions: [("p.yaml", yaml)])
        let profile = try #require(catalog.endpoints.first)
        let dialect = try #require(profile.inferred)
        #expect(profile.name.text == "s/make")
        #expect(profile.typicalDuration == .milliseconds(1500))
        #expect(dialect.submitPath == "/s/make" && dialect.tasksPath == "/s/tasks")
        #expect(profile.batching == nil && profile.listing == nil)
    }

    @Test func `an unknown field at any level is refused with its name and line`() {
        #expect(message("speed: 3\n" + Self.head)?.hasPrefix("p.yaml, line 1: speed: unknown field") == true)
        #expect(
            message(endpoint: "speed: 3")?.hasPrefix("p.yaml, line 9: services.s.endpoints.make.speed: unknown") == true
        )
        let service = message(Self.head + "services:\n  s:\n    batchsize: 3\n")
        #expect(service?.hasPrefix("p.yaml, line 7: services.s.batchsize: unknown field; known are") == true)
    }

    @Test func `a missing field is named`() {
        #expect(message("provider: p\n")?.contains("base_url: this field is missing") == true)
        #expect(message(Self.head)?.contains("services: this field is missing") == true)
        #expect(message(Self.head + "services:\n  s: {batch_size: 50}\n")?.contains("s.endpoints: this field") == true)
    }

    @Test(arguments: [
        "typical_seconds: 0", "typical_seconds: -3", "typical_seconds: soon", "upper_seconds: .nan",
        "submission_timeout_seconds: .inf", "typical_seconds: 604801", "typical_seconds: [1]", "typical_seconds:",
    ])
    func `an invalid duration is refused`(field: String) throws {
        let name = try #require(field.split(separator: ":").first)
        #expect(
            message(endpoint: field)?.contains(
                "line 9: services.s.endpoints.make.\(name): expected a number of seconds") == true)
    }

    @Test(arguments: [
        ("submit: no/slash", "expected a path"), ("submit: \"/with space\"", "expected a path"),
        ("always_asynchronous: perhaps", "expected true or false"), ("artefacts: [url]", "is not a JSON pointer"),
        ("artefacts: /url", "expected a list of texts"), ("record_type: \"\"", "expected a text"),
        ("progress_scale: inches", "expected one of percent, fraction"),
        ("{typical_seconds: 3, upper_seconds: 2}", "no less than typical_seconds"),
        ("{always_asynchronous: true, submission_timeout_seconds: 2}", "never replies inline"),
    ])
    func `an invalid value is refused`(field: String, problem: String) {
        #expect(message(endpoint: field)?.contains(problem) == true)
    }

    @Test func `invalid fields of a service or provider are refused`() {
        let services = "services:\n  s:\n    endpoints: {make: {}}\n"
        #expect(message(Self.head + services) == nil)
        #expect(
            message(Self.head + "words: {succeeded: [Done], failed: [done]}\n" + services)?.contains("success too")
                == true)
        #expect(
            message(Self.head + "services: {\"a b\": {endpoints: {make: {}}}}\n")?.contains("not an endpoint name")
                == true)
        #expect(
            message(Self.head + "services: {s: {listing: maybe, endpoints: {m: {}}}}\n")?.contains("vendor_code")
                == true)
        #expect(
            message(Self.head + "services: {s: {batch_size: 1.5, endpoints: {m: {}}}}\n")?.contains("whole number")
                == true)
        #expect(
            message(Self.head.replacing("https://p.example", with: "p.example") + services)?.contains("expected a URL")
                == true)
        #expect(message(Self.head.replacing("second: 2", with: "second: 0") + services)?.contains("above 0") == true)
    }

    @Test func `invalid YAML is refused with its line`() {
        #expect(message("provider: p\n  base: [\n")?.hasPrefix("p.yaml, line ") == true)
        #expect(message("")?.contains("it is empty") == true)
        #expect(message("just words")?.contains("expected fields with values") == true)
    }

    @Test func `an endpoint defined twice is refused, in one file and across files`() {
        let once = Self.head + "services:\n  s:\n    endpoints:\n      make: {}\n"
        #expect(message(once + "      make: {}\n")?.contains("make: given twice") == true)
        let same = #expect(throws: CatalogError.self) {
            try ProviderCatalog(definitions: [("p.yaml", once), ("q.yaml", once)])
        }
        #expect(same == .defined(twice: "p", file: "q.yaml", line: nil))
    }
}
