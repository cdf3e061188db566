import Synchronization
import VerbatimJSON

/// MCPServer answers the requests of one host. Every fact is the daemon's, so a server that is started anew goes on.
final class MCPServer: Sendable {
    /// The most calls in progress.
    private static let mostCalls = 64
    /// Between two notifications of progress. Hosts may give up a call that is silent for longer than 10 s.
    private let progressGap: Duration
    /// How long calls may still take once the host has closed its end. Hosts kill a server after 2 s.
    private static let farewell = Duration.seconds(1)

    private let tools: MCPTools
    private let output: MCPOutput
    /// Ends the calls in progress.
    private let calls = Mutex<[JSONValue: AsyncStream<Never>.Continuation]>([:])

    init(tools: MCPTools, output: MCPOutput = MCPOutput(), progressGap: Duration = .seconds(5)) {
        self.tools = tools
        self.output = output
        self.progressGap = progressGap
    }

    /// Answers until the input ends.
    func run(_ input: BoundedLineReader) async {
        var input = input
        await withDiscardingTaskGroup { group in
            while let line = await input.next() {
                switch line {
                case .tooLong:
                    await output.write(RPCError(.parseError, "A line has more than \(input.maxBytes) bytes.").json)
                case .text(let bytes):
                    guard bytes.contains(where: { ![0x20, 0x09, 0x0d].contains($0) }) else { continue }
                    do throws(RPCError) { try await take(try RPCMessage(line: bytes), &group) } catch {
                        StandardError.write("pollux mcp: \(error.message.printable)\n")
                        await output.write(error.json)
                    }
                }
            }
            guard calls.withLock({ !$0.isEmpty }) else { return }
            try? await Task.sleep(for: Self.farewell)
            calls.withLock { $0.values.forEach { $0.finish() } }
        }
    }

    private func take(_ message: RPCMessage, _ group: inout DiscardingTaskGroup) async throws(RPCError) {
        switch message {
        case .reply: break
        case .notification(let method, let params):
            guard method == "notifications/cancelled", let id = params["requestId"] else { return }
            calls.withLock { $0[id] }?.finish()
        case .request(let request):
            let era = try MCPEra(of: request)
            switch (request.method, era) {
            case ("tools/call", _): try start(request, era, &group)
            default: await output.write(try reply(to: request, era))
            }
        }
    }

    /// The reply to everything but a call.
    private func reply(to request: RPCRequest, _ era: MCPEra) throws(RPCError) -> JSONValue {
        switch (request.method, era) {
        case ("server/discover", .stateless):
            return era.reply(
                to: request.id, MCPEra.discovery(instructions: MCPTools.instructions), mayBeCached: true)
        case ("initialize", .handshake):
            do throws(RPCError) {
                return era.reply(
                    to: request.id, try MCPEra.handshake(request.params, instructions: MCPTools.instructions))
            } catch {
                throw RPCError(error.code, error.message, id: request.id)
            }
        case ("ping", .handshake): return era.reply(to: request.id, JSONObject())
        case ("tools/list", _):
            return era.reply(to: request.id, JSONObject([("tools", tools.listing)]), mayBeCached: true)
        default: throw RPCError(.methodNotFound, "There is no method \(request.method).", id: request.id)
        }
    }

    // MARK: Calls

    private func start(
        _ request: RPCRequest, _ era: MCPEra, _ group: inout DiscardingTaskGroup
    ) throws(RPCError) {
        guard let name = request.params["name"]?.string else {
            throw RPCError(.invalidParams, "`name` must be a string.", id: request.id)
        }
        guard let tool = tools.tool(named: name) else {
            throw RPCError(.invalidParams, "There is no tool \(name).", id: request.id)
        }
        let arguments = request.params["arguments"] ?? .null
        guard arguments.isNull || arguments.object != nil else {
            throw RPCError(.invalidParams, "`arguments` must be an object.", id: request.id)
        }
        let (end, continuation) = AsyncStream<Never>.makeStream()
        let refusal: RPCError? = calls.withLock { calls in
            guard calls[request.id] == nil else {
                return RPCError(.invalidRequest, "A call with this id is in progress.", id: request.id)
            }
            guard calls.count < Self.mostCalls else {
                return RPCError(
                    .tooManyCalls, "\(Self.mostCalls) calls are in progress. Wait for one of them.", id: request.id)
            }
            calls[request.id] = continuation
            return nil
        }
        if let refusal { throw refusal }
        group.addTask { [self] in
            let progress = MCPProgress()
            let result = await withTaskGroup(of: ToolResult?.self) { race in
                race.addTask { [self] in
                    await tools.call(tool, ToolArguments(arguments.object ?? JSONObject()), progress)
                }
                race.addTask {
                    for await _ in end {}
                    return nil
                }
                let meta = request.params["_meta"]?.object
                if let token = meta?["progressToken"].flatMap(RPCMessage.identifier) {
                    race.addTask { [self] in
                        await report(progress, to: token)
                        return nil
                    }
                }
                defer { race.cancelAll() }
                return await race.next() ?? nil
            }
            // A cancelled call has no reply.
            if let result { await send(result, to: request, era) }
            calls.withLock { $0[request.id] = nil }
        }
    }

    /// Writes the result of a call. Then the daemon notes which ends of tasks the host has.
    private func send(_ result: ToolResult, to request: RPCRequest, _ era: MCPEra) async {
        await tools.receipts.begin()
        if await output.write(era.reply(to: request.id, result.json)) { await tools.collect(result.shown) }
        await tools.receipts.end()
    }

    /// Sends how far a call is until it ends.
    private func report(_ progress: MCPProgress, to token: JSONValue) async {
        let begin = ContinuousClock.now
        while (try? await Task.sleep(for: progressGap)) != nil {
            let milliseconds = begin.duration(to: .now) / .milliseconds(1)
            let seconds = JSONNumber(milliseconds.rounded() / 1_000).map { JSONValue.number($0) } ?? 0
            await output.write([
                "jsonrpc": "2.0", "method": "notifications/progress",
                "params": ["progressToken": token, "progress": seconds, "message": .string(progress.message)],
            ])
        }
    }
}

/// What a call is doing, as a short text.
final class MCPProgress: Sendable {
    private let text = Mutex("working")

    var message: String { text.withLock { $0 } }

    func note(_ message: String) { text.withLock { $0 = message } }
}
