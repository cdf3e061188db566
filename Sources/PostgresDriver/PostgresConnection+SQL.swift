import StoreSQL

extension PostgresConnection: SQLConnection {
    var dialect: SQLDialect { .postgres }

    func execute(_ statement: SQLStatement, _ values: [ColumnValue], changing expected: Int?) throws {
        try enqueue(statement, values, changing: expected)
    }

    func change(_ statement: SQLStatement, _ values: [ColumnValue]) throws -> Int {
        try enqueue(statement, values, .count)
        try finish()
        return changedRows
    }

    func insert(
        _ statement: SQLStatement, numberedBy sequence: SQLSequence, each values: [[ColumnValue]]
    ) throws -> [Int64] {
        if !values.isEmpty, !numbers.isKnown { try finish() }
        return try values.map { values in
            let number = numbers.next(of: sequence)
            try enqueue(statement, values, after: number)
            return number
        }
    }

    func rows(
        of statement: SQLStatement, _ values: [ColumnValue], until row: (inout ColumnReader) throws -> Bool
    ) throws {
        try enqueue(statement, values, .rows(list: nil))
        try finish { _, columns in try row(&columns) }
    }

    func rows(
        of statement: SQLStatement, each values: [[ColumnValue]],
        _ row: (_ list: Int, _ columns: inout ColumnReader) throws -> Void
    ) throws {
        guard !values.isEmpty else { return }
        for (list, values) in values.enumerated() { try enqueue(statement, values, .rows(list: list)) }
        try finish { list, columns in
            try row(list, &columns)
            return false
        }
    }
}
