import TaskModel
import VerbatimJSON
import Yams

/// The fields of one mapping of a definition. Errors name file, line and field.
struct DefinitionFields {
    private let file: String
    private let path: String
    private let line: Int?
    private let fields: [(key: String, line: Int?, value: Node)]

    /// Reads a whole document.
    init(file: String, yaml: String, allowed: [String]?) throws(CatalogError) {
        let root: Node?
        do {
            root = try Yams.compose(yaml: yaml)
        } catch {
            throw Self.notYAML(error, file: file)
        }
        guard let root else { throw .badField(file: file, line: nil, field: "the file", problem: "it is empty") }
        try self.init(root, file: file, path: "", allowed: allowed)
    }

    /// Reads a mapping inside a document. `allowed` is nil if the keys are names.
    private init(_ node: Node, file: String, path: String, allowed: [String]?) throws(CatalogError) {
        self.file = file
        self.path = path
        line = node.mark?.line
        guard let mapping = node.mapping else {
            throw .badField(
                file: file, line: node.mark?.line, field: path.isEmpty ? "the file" : path,
                problem: "expected fields with values")
        }
        var fields: [(key: String, line: Int?, value: Node)] = []
        for (key, value) in mapping {
            guard let name = key.string, allowed?.contains(name) ?? true else {
                throw .badField(
                    file: file, line: key.mark?.line, field: Self.join(path, key.string ?? "?"),
                    problem: "unknown field; known are \((allowed ?? []).joined(separator: ", "))")
            }
            fields.append((name, key.mark?.line, value))
        }
        self.fields = fields
    }

    /// The names of all fields with their lines, in written order.
    var names: [(name: String, line: Int?)] { fields.map { ($0.key, $0.line) } }

    /// The fields of the mapping under that name; nil if it is absent.
    func fields(_ name: String, allowed: [String]?) throws(CatalogError) -> DefinitionFields? {
        guard let field = field(name) else { return nil }
        return try DefinitionFields(field.value, file: file, path: Self.join(path, name), allowed: allowed)
    }

    func required<Value>(
        _ name: String, _ read: (String) throws(CatalogError) -> Value?
    ) throws(CatalogError) -> Value {
        guard let value = try read(name) else {
            throw .badField(file: file, line: line, field: Self.join(path, name), problem: "this field is missing")
        }
        return value
    }

    func text(_ name: String) throws(CatalogError) -> String? {
        try read(name, expecting: "a text") { $0.scalar.flatMap { $0.string.isEmpty ? nil : $0.string } }
    }

    func texts(_ name: String) throws(CatalogError) -> [String]? {
        try read(name, expecting: "a list of texts") { node in
            guard let elements = node.sequence.map({ Array($0) }) else { return nil }
            let texts = elements.compactMap { $0.scalar?.string }
            return texts.count == elements.count && !texts.contains("") ? texts : nil
        }
    }

    func flag(_ name: String) throws(CatalogError) -> Bool? {
        try read(name, expecting: "true or false") { $0.bool }
    }

    func count(_ name: String) throws(CatalogError) -> Int? {
        try read(name, expecting: "a whole number above 0") { $0.int.flatMap { $0 > 0 ? $0 : nil } }
    }

    func rate(_ name: String) throws(CatalogError) -> Double? {
        try read(name, expecting: "a number above 0") { Self.positive($0) }
    }

    func seconds(_ name: String) throws(CatalogError) -> Duration? {
        try read(name, expecting: "a number of seconds above 0 and up to 604800 (a week)") { node in
            Self.positive(node).flatMap { $0 <= 604_800 ? .seconds(rounding: $0) : nil }
        }
    }

    /// A duration of up to ten years.
    func span(_ name: String) throws(CatalogError) -> Duration? {
        try read(name, expecting: "a number of seconds above 0") { node in
            Self.positive(node).flatMap { $0 <= 315_576_000 ? .seconds(rounding: $0) : nil }
        }
    }

    /// A path below the base URL.
    func path(_ name: String) throws(CatalogError) -> String? {
        try read(name, expecting: "a path that begins with a slash, without spaces") { node in
            node.scalar.flatMap {
                $0.string.hasPrefix("/") && !$0.string.contains(where: \.isWhitespace) ? $0.string : nil
            }
        }
    }

    /// An HTTP method.
    func method(_ name: String) throws(CatalogError) -> String? {
        let known = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return try read(name, expecting: "one of \(known.joined(separator: ", "))") { node in
            node.scalar.flatMap { known.contains($0.string) ? $0.string : nil }
        }
    }

    /// A path below the base URL with placeholders. Only those in `places` are allowed; nil allows any.
    func template(_ name: String, places: Set<String>?) throws(CatalogError) -> Template? {
        guard let text = try path(name) else { return nil }
        return try template(text, name, places: places)
    }

    /// A text with placeholders that is not part of an address.
    func pattern(_ name: String, places: Set<String>?) throws(CatalogError) -> Template? {
        guard let text = try text(name) else { return nil }
        return try template(text, name, places: places)
    }

    /// Texts with placeholders, by name.
    func templates(_ name: String, places: Set<String>?) throws(CatalogError) -> [DeclaredDialect.Call.Named]? {
        guard let fields = try fields(name, allowed: nil) else { return nil }
        return try fields.names.map { field, _ throws(CatalogError) in
            guard Self.isToken(field) else {
                throw fields.error(field, "is not a name of a header field or a parameter")
            }
            let text = try fields.required(field, fields.text)
            guard text.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else {
                throw fields.error(field, "expected visible ASCII characters")
            }
            return DeclaredDialect.Call.Named(name: field, template: try fields.template(text, field, places: places))
        }
    }

    /// Texts without placeholders.
    func fixedTexts(_ name: String) throws(CatalogError) -> [String: String]? {
        guard let named = try templates(name, places: []) else { return nil }
        return Dictionary(uniqueKeysWithValues: named.map { ($0.name, $0.template.plain { _ in nil } ?? "") })
    }

    private func template(_ text: String, _ name: String, places: Set<String>?) throws(CatalogError) -> Template {
        guard let template = Template(text) else {
            throw error(name, "\"\(text)\" has an unmatched brace or an empty placeholder")
        }
        if let places, let strange = template.names.first(where: { !places.contains($0) }) {
            let known =
                places.isEmpty ? "none is" : "only \(places.sorted().map { "{\($0)}" }.joined(separator: ", ")) is"
            throw error(name, "{\(strange)} is not known here; \(known)")
        }
        return template
    }

    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                let character = Character(Unicode.Scalar(byte))
                return character.isASCII && (character.isLetter || character.isNumber || "-_.".contains(character))
            }
    }

    /// HTTP statuses.
    func statuses(_ name: String) throws(CatalogError) -> [Int]? {
        try read(name, expecting: "a list of HTTP statuses") { node in
            guard let elements = node.sequence.map({ Array($0) }) else { return nil }
            let numbers = elements.compactMap { $0.int.flatMap { 100...599 ~= $0 ? $0 : nil } }
            return numbers.count == elements.count && Set(numbers).count == numbers.count ? numbers : nil
        }
    }

    /// One pointer, or several of which the first with a value counts.
    func places(_ name: String) throws(CatalogError) -> [JSONPointer]? {
        guard let field = field(name) else { return nil }
        guard let text = field.value.scalar?.string else { return try pointers(name) }
        return [try pointer(text, name)]
    }

    /// One pointer to a single value.
    func place(_ name: String) throws(CatalogError) -> JSONPointer? {
        try text(name).map { text throws(CatalogError) in
            let pointer = try pointer(text, name)
            guard !pointer.matchesSeveral else {
                throw error(name, "* is not allowed where one value is expected")
            }
            return pointer
        }
    }

    /// The mappings of a list.
    func list(_ name: String, allowed: [String]) throws(CatalogError) -> [DefinitionFields]? {
        guard let field = field(name) else { return nil }
        guard let elements = field.value.sequence, !elements.isEmpty else { throw error(name, "expected a list") }
        var list: [DefinitionFields] = []
        for (index, element) in elements.enumerated() {
            list.append(
                try DefinitionFields(element, file: file, path: "\(Self.join(path, name))[\(index)]", allowed: allowed))
        }
        return list
    }

    /// Whether there is such a field.
    func has(_ name: String) -> Bool { field(name) != nil }

    /// The line where the mapping begins.
    var beginning: Int? { line }

    /// An error about the mapping as a whole.
    func error(_ problem: String) -> CatalogError {
        .badField(file: file, line: line, field: path.isEmpty ? "the file" : path, problem: problem)
    }

    private func pointer(_ text: String, _ name: String) throws(CatalogError) -> JSONPointer {
        guard let pointer = JSONPointer(text) else {
            throw error(name, "\"\(text)\" is not a JSON pointer; it must begin with a slash")
        }
        let escapes = text.split(separator: "~", omittingEmptySubsequences: false).dropFirst()
        guard escapes.allSatisfy({ $0.first == "0" || $0.first == "1" }) else {
            throw error(name, "\"\(text)\" is not a JSON pointer; write ~ as ~0, and a slash in a name as ~1")
        }
        if let token = pointer.brokenCondition {
            throw error(name, "\"\(token)\" is no condition; one is written *[NAME=TEXT]")
        }
        return pointer
    }

    func pointers(_ name: String) throws(CatalogError) -> [JSONPointer]? {
        try texts(name).map { texts throws(CatalogError) in
            try texts.map { text throws(CatalogError) in try pointer(text, name) }
        }
    }

    func choice<Choice>(_ name: String) throws(CatalogError) -> Choice?
    where Choice: RawRepresentable<String> & CaseIterable {
        let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        return try read(name, expecting: "one of \(known)") { $0.scalar.flatMap { Choice(rawValue: $0.string) } }
    }

    /// An error about a field of this mapping.
    func error(_ name: String, _ problem: String) -> CatalogError {
        .badField(file: file, line: field(name)?.line ?? line, field: Self.join(path, name), problem: problem)
    }

    private func read<Value>(
        _ name: String, expecting kind: String, _ convert: (Node) -> Value?
    ) throws(CatalogError) -> Value? {
        guard let field = field(name) else { return nil }
        guard let value = convert(field.value) else { throw error(name, "expected \(kind)") }
        return value
    }

    func field(_ name: String) -> (key: String, line: Int?, value: Node)? { fields.first { $0.key == name } }

    private static func positive(_ node: Node) -> Double? {
        node.float.flatMap { $0.isFinite && $0 > 0 ? $0 : nil }
    }

    private static func join(_ path: String, _ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    private static func notYAML(_ error: any Error, file: String) -> CatalogError {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            .notYAML(file: file, line: mark.line, problem: problem)
        case .duplicatedKeysInMapping(let duplicates, let context):
            .badField(
                file: file, line: context.mark.line, field: duplicates.sorted().joined(separator: ", "),
                problem: "given twice in one place")
        default:
            .notYAML(file: file, line: nil, problem: "\(error)")
        }
    }
}
