import CPostgreSQL
import StoreSQL

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// One connection to a PostgreSQL server, in libpq's pipeline mode
/// (https://www.postgresql.org/docs/15/libpq-pipeline-mode.html).
///
/// Statements are queued. They are sent, with what follows them, when a result is needed. An error of a queued statement is
/// thrown then, and the server skips the statements after it.
///
/// Unchecked, because it is used by one thread at a time: that of the write or read which has it.
final class PostgresConnection: @unchecked Sendable {
    /// What is done with the reply to a queued statement.
    enum Reply {
        /// Only an error matters.
        case none
        /// The session has the statement now.
        case prepared(PostgresStatement)
        /// The rows are passed on; those of a list of values by its index. Without a list they come one by one.
        case rows(list: Int?)
        /// The number of changed rows is kept in ``changedRows``.
        case count
        /// The numbers of new rows.
        case numbers
        /// The end of the transaction.
        case commit
    }

    /// How long a reply may take after which the connection counts as lost, by the monotonic clock that runs while the machine
    /// sleeps. The server cancels a statement sooner (``settings``).
    static let longestReply: Duration = .seconds(40)

    private let connection: OpaquePointer
    let address: PostgresAddress
    /// Whether statements are kept by the session.
    private let keepsStatements: Bool
    private var statements = PostgresStatements()
    private var parameters = PostgresParameters()
    private var queued: [Reply] = []
    /// Whether the server has sent a warning since this was set to false.
    var hasWarning = false
    /// The result of ``Reply/count``.
    private(set) var changedRows = 0

    /// The numbers of new rows in this transaction.
    var numbers = RowNumbers()

    /// Connects. Blocks, at most for the time that the address or we allow.
    init(_ options: PostgresOptions) throws(PostgresError) {
        address = options.address
        keepsStatements = options.keepsStatements
        // The address comes last, so that it decides.
        let settings: KeyValuePairs = [
            "fallback_application_name": "pollux", "client_encoding": "UTF8", "connect_timeout": "5",
            // A host that is gone is noticed within some ten seconds.
            "keepalives_idle": "5", "keepalives_interval": "2", "keepalives_count": "3", "tcp_user_timeout": "10000",
            // Of several servers, the primary one.
            "target_session_attrs": "read-write", "dbname": address.text,
        ]
        let connected = Self.withTexts(settings.map(\.key)) { keys in
            Self.withTexts(settings.map(\.value)) { values in PQconnectdbParams(keys, values, 1) }
        }
        guard let connected else { throw PostgresError("out of memory", .connectionLost) }
        connection = connected
        guard PQstatus(connection) == CONNECTION_OK else {
            throw PostgresError(lastMessage, .connectionLost)
        }
        PQsetNoticeReceiver(
            connection,
            { context, result in
                guard let context, PostgresConnection.field(.severity, of: result) == "WARNING" else {
                    return
                }
                Unmanaged<PostgresConnection>.fromOpaque(context).takeUnretainedValue().hasWarning = true
            }, Unmanaged.passUnretained(self).toOpaque())
        // Every statement has an index, and a session keeps its plans: those that it made while the tables were nearly empty
        // would read whole tables until the next ANALYZE. `log_counter` has one row and no index. Without sequential scans its
        // estimated cost exceeds `jit_above_cost`, so nothing must be compiled either.
        try run(script: "SET enable_seqscan TO off; SET jit TO off")
    }

    deinit { PQfinish(connection) }

    /// Begins to queue statements. Before, only ``run(script:)`` may be used.
    func beginPipeline() throws(PostgresError) {
        guard PQsetnonblocking(connection, 1) == 0, PQenterPipelineMode(connection) == 1 else { throw lost() }
    }

    /// Whether the server can still be reached, as far as is known.
    var isUsable: Bool { PQstatus(connection) == CONNECTION_OK }
    /// Whether another transaction can begin.
    var isReady: Bool { isUsable && !hasQueued && !isInTransaction }
    /// Whether the server is in a transaction, also in a failed one, as far as replies have been read.
    var isInTransaction: Bool { PQtransactionStatus(connection) != PQTRANS_IDLE }
    /// The version of the server, such as 150018.
    var serverVersion: Int { Int(PQserverVersion(connection)) }

    /// A setting that the server has reported.
    func parameter(_ name: String) -> String? { PQparameterStatus(connection, name).map { String(cString: $0) } }

    /// Where it is connected to, without a password.
    var place: String {
        func text(_ value: UnsafeMutablePointer<CChar>?) -> String { value.map { String(cString: $0) } ?? "" }
        let (user, host, port) = (text(PQuser(connection)), text(PQhost(connection)), text(PQport(connection)))
        // A directory of sockets is a host too, but not in a URL's usual place.
        let server = host.hasPrefix("/") ? "" : "\(host):\(port)"
        let socket = host.hasPrefix("/") ? "?host=\(host)&port=\(port)" : ""
        return "postgres://\(user)@\(server)/\(text(PQdb(connection)))\(socket)"
    }

    /// Runs statements without values, outside the pipeline, and returns the first column of the last one as texts.
    @discardableResult
    func run(script: String) throws(PostgresError) -> [String] {
        let result = PQexec(connection, script)
        defer { PQclear(result) }
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK: return []
        case PGRES_TUPLES_OK: return (0..<PQntuples(result)).map { String(cString: PQgetvalue(result, $0, 0)) }
        default: throw error(in: result)
        }
    }
}

extension PostgresConnection {
    /// Whether replies have to be read before the state of the transaction is known.
    var hasQueued: Bool { !queued.isEmpty }

    /// Queues a statement. `first` is a value before the others, `expected` the number of rows that it must change.
    func enqueue(
        _ statement: SQLStatement, _ values: [ColumnValue] = [], after first: Int64? = nil,
        changing expected: Int? = nil,
        _ reply: Reply = .none
    ) throws(PostgresError) {
        let statement = statements(statement, changing: expected)
        if statement.usesCounter, numbers.isChanged { try writeNumbers() }
        parameters.set(first, values)
        let isNamed = keepsStatements && (statement.isPrepared || statements.mayName)
        if isNamed, !statement.isPrepared {
            guard PQsendPrepare(connection, statement.name, statement.text, 0, nil) == 1 else { throw lost() }
            queued.append(.prepared(statement))
            statement.isPrepared = true
        }
        let isSent = parameters.withPointers { count, values, lengths, formats in
            isNamed
                ? PQsendQueryPrepared(connection, statement.name, count, values, lengths, formats, 1)
                : PQsendQueryParams(connection, statement.text, count, nil, values, lengths, formats, 1)
        }
        guard isSent == 1 else { throw lost() }
        queued.append(reply)
    }

    /// Sends what is queued and waits for all replies. Throws the first error, after all replies.
    ///
    /// `row` gets the rows of ``Reply/rows(list:)`` and returns whether it needs no more. Its error ends only the reading.
    func finish(row: (_ list: Int, _ columns: inout ColumnReader) throws -> Bool = { _, _ in true }) throws {
        guard PQpipelineSync(connection) == 1 else { throw lost() }
        let replies = queued
        queued.removeAll(keepingCapacity: true)
        var failure: (any Error)?
        var isEnough = false
        /// Passes rows on until it is enough.
        func pass(_ result: OpaquePointer?, list: Int) {
            guard let result, !isEnough, failure == nil else { return }
            for number in 0..<PQntuples(result) where !isEnough {
                var columns = ColumnReader(PostgresRow(result: result, row: number))
                do { isEnough = try row(list, &columns) } catch {
                    failure = error
                    return
                }
            }
        }
        do throws(PostgresError) {
            for reply in replies {
                // Row by row, because the caller may not need all, and all may be too much for the memory.
                if case .rows(nil) = reply { PQsetSingleRowMode(connection) }
                while let result = try nextResult() {
                    defer { PQclear(result) }
                    switch (PQresultStatus(result), reply) {
                    case (PGRES_SINGLE_TUPLE, _), (PGRES_TUPLES_OK, .rows):
                        if case .rows(let list) = reply { pass(result, list: list ?? 0) }
                    case (PGRES_TUPLES_OK, .numbers): numbers = RowNumbers(result)
                    case (PGRES_TUPLES_OK, _), (PGRES_COMMAND_OK, _):
                        if let error = unexpected(result, reply) { failure = failure ?? error }
                    // It follows an error.
                    case (PGRES_PIPELINE_ABORTED, _): forget(reply)
                    default:
                        forget(reply)
                        let error = error(in: result)
                        failure = failure ?? error
                        if error.effect == .connectionLost { throw error }
                    }
                }
            }
            // The last reply of the pipeline is not followed by an empty one, as the others are.
            PQclear(try nextResult())
        } catch {
            throw failure ?? error
        }
        if let failure { throw failure }
    }

    /// What is wrong with a reply that is not an error.
    private func unexpected(_ result: OpaquePointer, _ reply: Reply) -> PostgresError? {
        switch reply {
        case .commit where String(cString: PQcmdStatus(result)) != "COMMIT":
            return PostgresError("the transaction was rolled back")
        case .count: changedRows = changes(in: result)
        default: break
        }
        return nil
    }

    private func forget(_ reply: Reply) { if case .prepared(let statement) = reply { statement.isPrepared = false } }

    private func changes(in result: OpaquePointer) -> Int { Int(String(cString: PQcmdTuples(result))) ?? 0 }
}

// MARK: Waiting for replies

extension PostgresConnection {
    /// The next result; nil at the end of one statement's results.
    private func nextResult() throws(PostgresError) -> OpaquePointer? {
        let deadline = ContinuousClock.now + Self.longestReply
        var isSent = false
        while !isSent || PQisBusy(connection) != 0 {
            if !isSent {
                let left = PQflush(connection)
                guard left >= 0 else { return try lastResult() }
                isSent = left == 0
                if isSent, PQisBusy(connection) == 0 { break }
            }
            try wait(until: deadline, alsoToSend: !isSent)
            guard PQconsumeInput(connection) == 1 else { return try lastResult() }
        }
        return PQgetResult(connection)
    }

    /// What the server said before the connection was lost.
    private func lastResult() throws(PostgresError) -> OpaquePointer {
        guard let result = PQgetResult(connection) else { throw lost() }
        return result
    }

    /// Throws if the server has ended the connection, as far as this machine knows. Call it only while no reply is due.
    func checkInput() throws(PostgresError) {
        var descriptor = pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0)
        while poll(&descriptor, 1, 0) > 0 {
            guard PQconsumeInput(connection) == 1 else { throw lost() }
        }
    }

    private func wait(until deadline: ContinuousClock.Instant, alsoToSend: Bool) throws(PostgresError) {
        var descriptor = pollfd(
            fd: PQsocket(connection), events: Int16(alsoToSend ? POLLIN | POLLOUT : POLLIN), revents: 0)
        // A process that was stopped looks at what has arrived before it looks at the clock.
        let left = max(.zero, ContinuousClock.now.duration(to: deadline))
        let milliseconds = left.components.seconds * 1_000 + left.components.attoseconds / 1_000_000_000_000_000
        let found = poll(&descriptor, 1, CInt(milliseconds))
        guard found == 0, ContinuousClock.now >= deadline else { return }
        // Nothing more is read from it.
        shutdown(PQsocket(connection), CInt(SHUT_RDWR))
        throw PostgresError("the server did not reply for \(Self.longestReply.components.seconds) s", .connectionLost)
    }
}

// MARK: Notifications

extension PostgresConnection {
    /// The descriptor of its socket, which becomes readable when something arrives.
    var descriptor: CInt { PQsocket(connection) }

    /// Reads what has arrived. Returns whether another session has sent a notification.
    func takeNotifications() throws(PostgresError) -> Bool {
        guard PQconsumeInput(connection) == 1 else { throw lost() }
        var isOfOthers = false
        while let notification = PQnotifies(connection) {
            if notification.pointee.be_pid != PQbackendPID(connection) { isOfOthers = true }
            PQfreemem(notification)
        }
        return isOfOthers
    }
}

// MARK: Errors

extension PostgresConnection {
    /// The error of a connection that cannot be used any more.
    private func lost() -> PostgresError { PostgresError(lastMessage, .connectionLost) }

    private var lastMessage: String { oneLine(PQerrorMessage(connection)) }

    private func error(in result: OpaquePointer?) -> PostgresError {
        let severity = Self.field(.severity, of: result)
        let isLost = severity == "FATAL" || severity == "PANIC" || !isUsable
        let message = Self.field(.message, of: result).map { address.redacted($0) }
        return PostgresError(
            state: Self.field(.state, of: result), message ?? lastMessage,
            isLost ? .connectionLost : .statement)
    }

    private func oneLine(_ message: UnsafePointer<CChar>?) -> String {
        let text = message.map { String(cString: $0) } ?? "no reason is known"
        // Lines that begin with a tab are libpq's hints, which are questions.
        let lines = text.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("\t") }
        return address.redacted(lines.joined(separator: "; "))
    }

    /// Fields of an error, by their codes (https://www.postgresql.org/docs/15/protocol-error-fields.html). Swift does not import
    /// libpq's names.
    private enum ErrorField: Unicode.Scalar {
        /// Not translated.
        case severity = "V"
        case message = "M"
        case state = "C"
    }

    private static func field(_ field: ErrorField, of result: OpaquePointer?) -> String? {
        PQresultErrorField(result, CInt(field.rawValue.value)).map { String(cString: $0) }
    }

    private static func withTexts<Result>(
        _ texts: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
    ) -> Result {
        let copies = texts.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        return body(copies.map { UnsafePointer($0) } + [nil])
    }
}
