import Foundation
@testable import ProviderCatalog
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

/// A documented example with its expected meaning; see `Fixtures/INDEX.tsv`.
struct Fixture: CustomTestStringConvertible, Sendable {
    let file: String
    let service: String
    let kind: String
    let expected: String
    let httpStatus: Int
    let note: String
    let json: JSONValue

    var testDescription: String { file }

    /// All examples of the index. To add one, add a file and a line there.
    static let all: [Fixture] = {
        do {
            let folder = try #require(Bundle.module.url(forResource: "Fixtures", withExtension: nil))
            let index = try String(contentsOf: folder.appending(path: "INDEX.tsv"), encoding: .utf8)
            return try index.split(separator: "\n").dropFirst().map { line in
                let columns = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
                let bytes = try Data(contentsOf: folder.appending(path: columns[0]))
                return Fixture(
                    file: columns[0], service: columns[1], kind: columns[2], expected: columns[3],
                    httpStatus: try #require(Int(columns[5])), note: columns[6],
                    json: try JSONValue(parsing: bytes, limits: .lenient))
            }
        } catch {
            Issue.record("The fixtures cannot be read: \(error)")
            return []
        }
    }()

    static func all(_ kind: String) -> [Fixture] { all.filter { $0.kind == kind } }

    /// Read once, because the suites use it thousands of times.
    private static let catalog = Result { try ProviderCatalog.builtIn() }

    /// The endpoint in the file name (`midjourney__edits_callback_success`), else the main or first one of the service,
    /// else the general profile.
    var profile: EndpointProfile {
        get throws {
            let ofService = try Self.catalog.get().endpoints.filter { $0.name.service.text == service }
            let rest = file.dropFirst(service.count + 2)
            let named = ofService.filter {
                rest.hasPrefix($0.name.operation.replacing("/", with: "_").replacing("-", with: "_") + "_")
            }
            let usual = ofService.first { ["imagine", "audios", "videos", "images"].contains($0.name.operation) }
            return try named.first ?? usual ?? ofService.first ?? Self.generalProfile
        }
    }

    /// An endpoint without its own rules.
    static var generalProfile: EndpointProfile {
        get throws {
            let known = try #require(try Self.catalog.get().endpoints.compactMap(\.inferred).first)
            var rules = ResponseRules(endpoint: try #require(EndpointName("general/shape")), provider: "xhuoapi")
            rules.codes = known.rules.codes
            var dialect = InferredDialect(rules)
            dialect.batchSize = 50
            return EndpointProfile(dialect)
        }
    }

    var reply: UpstreamReply { UpstreamReply(status: httpStatus, body: json.utf8) }
}

extension EndpointProfile {
    /// An endpoint with this dialect and defaults for everything else.
    init(_ dialect: InferredDialect) {
        self.init(dialect.rules.endpoint, provider: dialect.rules.provider, kind: .text, dialect: dialect)
    }

    /// The inferred dialect; nil for a declared endpoint.
    var inferred: InferredDialect? { dialect as? InferredDialect }

    /// Reads a record without a query.
    func observe(_ record: JSONValue, httpStatus: Int = 200) -> Observation? {
        dialect.observe(record, of: nil, httpStatus: httpStatus)
    }
}

extension Observation.Verdict {
    /// The word of the index for this verdict.
    var word: String {
        switch self {
        case .pending: "pending"
        case .succeeded: "succeeded"
        case .failed: "failed"
        }
    }
}
