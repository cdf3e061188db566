import FoundationEssentials
import GRDB
import TaskModel
import TaskStore

extension SQLiteTransaction {
    func leases() throws -> [Lease] {
        try Row.fetchAll(db.cachedStatement(sql: "SELECT name, holder, token, expires_at_ms FROM lease")).map { row in
            guard let token = LeaseToken([UInt8](row["token"] as Data)) else {
                throw TaskStoreError.damaged("a lease cannot be read")
            }
            return Lease(
                name: LeaseName(stored: row["name"]), holder: row["holder"], token: token,
                expiresAt: row.time("expires_at_ms"))
        }
    }

    func put(_ leases: [Lease]) throws {
        for lease in leases {
            try db.cachedStatement(
                sql: """
                    INSERT INTO lease (name, holder, token, expires_at_ms) VALUES (?, ?, ?, ?)
                    ON CONFLICT (name) DO UPDATE SET
                      holder = excluded.holder, token = excluded.token, expires_at_ms = excluded.expires_at_ms
                    """
            ).execute(arguments: [
                lease.name.text, lease.holder, Data(lease.token.bytes), lease.expiresAt?.milliseconds,
            ])
        }
    }

    func drop(_ leases: [LeaseName]) throws {
        for name in leases {
            try db.cachedStatement(sql: "DELETE FROM lease WHERE name = ?").execute(arguments: [name.text])
        }
    }
}
