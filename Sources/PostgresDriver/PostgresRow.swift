import CPostgreSQL
import StoreSQL

/// A row of a result in the binary format (https://www.postgresql.org/docs/15/protocol-overview.html#PROTOCOL-FORMAT-CODES).
struct PostgresRow: ColumnSource {
    let result: OpaquePointer
    let row: CInt

    /// The types that statements of the store return, by their OIDs, which never change
    /// (https://github.com/postgres/postgres/blob/REL_15_STABLE/src/include/catalog/pg_type.dat).
    private enum OID {
        static let bool: UInt32 = 16, bytea: UInt32 = 17, int8: UInt32 = 20, int2: UInt32 = 21, int4: UInt32 = 23
        static let float8: UInt32 = 701, numeric: UInt32 = 1700
    }

    func type(of column: Int) -> ColumnType {
        if PQgetisnull(result, row, CInt(column)) != 0 { return .null }
        return switch PQftype(result, CInt(column)) {
        case OID.int8, OID.int4, OID.int2, OID.bool, OID.numeric: .integer
        case OID.float8: .real
        case OID.bytea: .blob
        default: .text
        }
    }

    func integer(_ column: Int) -> Int64 {
        let bytes = UnsafeRawBufferPointer(value(column))
        switch PQftype(result, CInt(column)) {
        case OID.int8: return Int64(bigEndian: bytes.loadUnaligned(as: Int64.self))
        case OID.int4: return Int64(Int32(bigEndian: bytes.loadUnaligned(as: Int32.self)))
        case OID.int2: return Int64(Int16(bigEndian: bytes.loadUnaligned(as: Int16.self)))
        case OID.numeric: return Self.whole(bytes)
        default: return Int64(bytes.first ?? 0)
        }
    }

    func real(_ column: Int) -> Double {
        guard PQftype(result, CInt(column)) == OID.float8 else { return Double(integer(column)) }
        let bits = UnsafeRawBufferPointer(value(column)).loadUnaligned(as: UInt64.self)
        return Double(bitPattern: UInt64(bigEndian: bits))
    }

    func text(_ column: Int) -> UnsafeBufferPointer<UInt8> { value(column) }
    func blob(_ column: Int) -> UnsafeBufferPointer<UInt8> { value(column) }
    func name(of column: Int) -> String { PQfname(result, CInt(column)).map { String(cString: $0) } ?? "\(column)" }

    private func value(_ column: Int) -> UnsafeBufferPointer<UInt8> {
        let count = Int(PQgetlength(result, row, CInt(column)))
        guard let start = PQgetvalue(result, row, CInt(column)) else {
            return UnsafeBufferPointer(start: nil, count: 0)
        }
        return UnsafeRawBufferPointer(start: start, count: count).bindMemory(to: UInt8.self)
    }

    /// The whole part of a NUMERIC, which is what sums of integers are: the number of digits to the base 10,000, the weight of
    /// the first one, the sign and the scale, then the digits
    /// (https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/utils/adt/numeric.c, `numeric_send`).
    /// A number that is too large is the largest one.
    private static func whole(_ bytes: UnsafeRawBufferPointer) -> Int64 {
        func field(_ index: Int) -> Int16 {
            Int16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2 * index, as: Int16.self))
        }
        let isNegative = field(2) == 0x4000
        let (count, weight) = (Int(field(0)), Int(field(1)))
        var number: Int64 = 0
        for index in 0..<max(weight + 1, 0) {
            let (product, overflows) = number.multipliedReportingOverflow(by: 10_000)
            let (sum, overflowsToo) = product.addingReportingOverflow(index < count ? Int64(field(4 + index)) : 0)
            guard !overflows, !overflowsToo else { return isNegative ? .min : .max }
            number = sum
        }
        return isNegative ? -number : number
    }
}
