import TaskModel
package import TaskStore

extension SQLTransaction {
    package func leases() throws -> [Lease] {
        try LeaseRow.fetchAll(connection, "SELECT name, holder, token, expires_at_ms FROM lease").map(\.lease)
    }

    package func put(_ leases: [Lease]) throws {
        for lease in leases {
            try connection.execute(
                """
                INSERT INTO lease (name, holder, token, expires_at_ms) VALUES (?, ?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET
                  holder = excluded.holder, token = excluded.token, expires_at_ms = excluded.expires_at_ms
                """,
                [
                    .text(lease.name.text), .text(lease.holder), ColumnValue(lease.token.bytes),
                    ColumnValue(lease.expiresAt),
                ])
        }
    }

    package func drop(_ leases: [LeaseName]) throws {
        for name in leases {
            try connection.execute("DELETE FROM lease WHERE name = ?", [.text(name.text)])
        }
    }
}

private struct LeaseRow: ColumnDecodable {
    let lease: Lease

    init(_ next: inout ColumnReader) throws {
        let (name, holder): (String, String) = (next(), next())
        guard let token = LeaseToken(next()) else { throw TaskStoreError.damaged("the lease \(name) cannot be read") }
        lease = Lease(name: LeaseName(stored: name), holder: holder, token: token, expiresAt: next.time())
    }
}
