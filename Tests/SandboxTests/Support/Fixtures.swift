import Foundation

@testable import Sandbox

/// The provider's documented examples.
enum Fixtures {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "ProviderCatalogTests/Fixtures")

    static func json(_ name: String) throws -> JSONValue {
        try JSONParser.parse(Array(try Data(contentsOf: folder.appending(path: "\(name).json"))))
    }

    static var names: [String] {
        get throws {
            try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".json") }
                .map { String($0.dropLast(5)) }.sorted()
        }
    }
}

extension JSONValue {
    /// Every path inside the value with the kind of its value, such as `data[].state string`.
    var keyStructure: Set<String> { structure(at: "") }

    private func structure(at path: String) -> Set<String> {
        switch self {
        case .null: ["\(path) null"]
        case .bool: ["\(path) bool"]
        case .number: ["\(path) number"]
        case .string: ["\(path) string"]
        case .array(let elements):
            elements.reduce(into: ["\(path) array"]) { $0.formUnion($1.structure(at: "\(path)[]")) }
        case .object(let members):
            members.reduce(into: ["\(path) object"]) { $0.formUnion($1.value.structure(at: "\(path).\($1.name)")) }
        }
    }
}
