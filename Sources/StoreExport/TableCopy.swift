import Crypto
import StoreSQL
import TaskStore

/// A table of the target, and how its rows are ordered.
struct CopiedTable {
    let name: String
    let columns: [String]
    /// Which columns have real numbers. SQLite may return a whole one as an integer.
    let reals: [Bool]
    let key: [String]

    private var list: String { columns.joined(separator: ", ") }

    /// All rows, in the order of the key, which both databases compare in the same way.
    var selection: SQLStatement { .text("SELECT \(list) FROM \(name) ORDER BY \(key.joined(separator: ", "))") }

    var insertion: SQLStatement {
        .text("INSERT INTO \(name) (\(list)) VALUES (\(columns.map { _ in "?" }.joined(separator: ", ")))")
    }

    /// The values of the current row, as the target stores them: it has no U+0000 in texts.
    func values(_ columns: inout ColumnReader) -> [ColumnValue] {
        reals.map { isReal in
            switch columns.value() {
            case .integer(let number) where isReal: .real(Double(number))
            case .text(let text) where text.utf8.contains(0): .text(text.replacing("\0", with: "\u{FFFD}"))
            case let value: value
            }
        }
    }

    /// The tables of the target that a store is copied to, in an order in which each row's references exist. What belongs to
    /// processes and to the target itself is not copied.
    static func all(in target: any SQLConnection) throws -> [CopiedTable] {
        let own: Set = ["schema_migration", "log_counter", "lease", "part_content", "part_removal"]
        var columns: [String: [(name: String, isReal: Bool)]] = [:]
        try target.rows(
            of: """
                SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT), CAST(data_type = 'double precision' AS INT)
                FROM information_schema.columns WHERE table_schema = current_schema()
                ORDER BY table_name, ordinal_position
                """, []
        ) { row in
            let (table, column, isReal): (String, String, Bool) = (row(), row(), row())
            if !own.contains(table) { columns[table, default: []].append((column, isReal)) }
            return false
        }
        var keys: [String: [String]] = [:]
        try target.rows(
            of: """
                SELECT CAST(relname AS TEXT), CAST(attname AS TEXT) FROM pg_index
                JOIN pg_class ON pg_class.oid = indrelid
                JOIN pg_namespace ON pg_namespace.oid = relnamespace
                JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
                WHERE indisprimary AND nspname = current_schema()
                ORDER BY relname, array_position(CAST(indkey AS INT2[]), attnum)
                """, []
        ) { row in
            let (table, column): (String, String) = (row(), row())
            keys[table, default: []].append(column)
            return false
        }
        // Every reference is to a task.
        return columns.keys.sorted { ($0 == "task" ? "" : $0) < ($1 == "task" ? "" : $1) }.map { name in
            let columns = columns[name] ?? []
            return CopiedTable(
                name: name, columns: columns.map(\.name), reals: columns.map(\.isReal), key: keys[name] ?? [])
        }
    }
}

/// The number of rows and the digest of what they contain.
struct TableDigest: Equatable {
    private(set) var rows = 0
    private var hash = SHA256()

    mutating func add(_ values: [ColumnValue]) {
        rows += 1
        for value in values {
            switch value {
            case .null: add("n", [])
            case .integer(let number): add("i", Self.bytes(UInt64(bitPattern: number)))
            case .real(let number): add("r", Self.bytes(number.bitPattern))
            case .text(let text): add("t", Array(text.utf8))
            case .blob(let bytes): add("b", bytes)
            }
        }
    }

    private mutating func add(_ type: Unicode.Scalar, _ bytes: [UInt8]) {
        hash.update(data: [UInt8(ascii: type)] + Self.bytes(UInt64(bytes.count)) + bytes)
    }

    private static func bytes(_ number: UInt64) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }

    static func == (left: TableDigest, right: TableDigest) -> Bool {
        left.rows == right.rows && left.hash.finalize() == right.hash.finalize()
    }
}
