import Testing
import VerbatimJSON

@testable import pollux

@Suite struct MCPMessageTests {
    private func message(_ line: String) throws(RPCError) -> RPCMessage { try RPCMessage(line: Array(line.utf8)) }

    private func error(_ line: String) -> RPCError? {
        do throws(RPCError) {
            _ = try message(line)
            return nil
        } catch {
            return error
        }
    }

    @Test func `a request keeps its id as it was written`() throws {
        for id in ["1", "-7", #""a""#, #""""#] {
            guard case .request(let request) = try message(#"{"jsonrpc":"2.0","id":\#(id),"method":"ping"}"#) else {
                Issue.record("\(id) is no request")
                continue
            }
            #expect(request.id.text == id)
            #expect(request.method == "ping")
            #expect(request.params.isEmpty)
        }
    }

    @Test(arguments: [
        ("{", -32_700), ("nonsense", -32_700), (#"{"jsonrpc":"2.0","id":1,"method":"ping"}}"#, -32_700),
        (String(repeating: "[", count: 10_000), -32_700), ("[]", -32_600),
        (#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32_600), ("3", -32_600), ("{}", -32_600),
        (#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32_600), (#"{"jsonrpc":"2.0","id":1}"#, -32_600),
        (#"{"jsonrpc":"2.0","id":1,"method":3}"#, -32_600), (#"{"jsonrpc":"2.0","id":null,"method":"a"}"#, -32_600),
        (#"{"jsonrpc":"2.0","id":1.5,"method":"a"}"#, -32_600), (#"{"jsonrpc":"2.0","id":{},"method":"a"}"#, -32_600),
        (#"{"jsonrpc":"2.0","id":1,"method":"a","params":[]}"#, -32_602),
    ])
    func `what is no message has an error with a code`(line: String, code: Int) {
        #expect(error(line)?.code.rawValue == code, "\(line.prefix(80))")
    }

    @Test func `an error names the request if its id can be read`() {
        #expect(error(#"{"jsonrpc":"2.0","id":7,"method":3}"#)?.json["id"] == 7)
        #expect(error("{")?.json["id"] == .null)
        #expect(error("[]")?.json["jsonrpc"] == "2.0")
    }

    @Test func `replies and notifications are no requests`() throws {
        guard case .reply = try message(#"{"jsonrpc":"2.0","id":1,"result":{}}"#) else {
            Issue.record("a result is no reply")
            return
        }
        guard
            case .notification(let method, let params) = try message(
                #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":4}}"#)
        else {
            Issue.record("not a notification")
            return
        }
        #expect(method == "notifications/cancelled" && params["requestId"] == 4)
    }

    // MARK: Lines

    private func lines(_ text: [UInt8], inPartsOf size: Int, maxBytes: Int = 10) -> [BoundedLineReader.Line] {
        var reader = BoundedLineReader(descriptor: -1, maxBytes: maxBytes)
        for start in stride(from: 0, to: text.count, by: size) {
            reader.take(Array(text[start..<min(start + size, text.count)]))
        }
        reader.take([])
        return reader.lines
    }

    @Test func `lines arrive in any parts, and a long one is dropped alone`() {
        let text = Array("one\n\n0123456789\n0123456789A\ntwo\r\nthree".utf8)
        let expected: [BoundedLineReader.Line] = [
            .text(Array("one".utf8)), .text([]), .text(Array("0123456789".utf8)), .tooLong, .text(Array("two\r".utf8)),
            .text(Array("three".utf8)),
        ]
        for size in 1...text.count { #expect(lines(text, inPartsOf: size) == expected, "parts of \(size)") }
        #expect(lines(Array("01234567890123".utf8), inPartsOf: 3) == [.tooLong])
        #expect(lines([], inPartsOf: 1) == [])
    }

    // MARK: Eras

    private func request(_ method: String, meta: JSONValue?) -> RPCRequest {
        var params = JSONObject()
        params["_meta"] = meta
        return RPCRequest(id: 1, method: method, params: params)
    }

    private func versionError(_ meta: JSONValue) -> RPCError? {
        do throws(RPCError) {
            _ = try MCPEra(of: request("tools/list", meta: meta))
            return nil
        } catch {
            return error
        }
    }

    @Test func `a request that names its version is answered in the form of that version`() throws {
        let meta: JSONValue = [
            "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": [:],
        ]
        let era = try MCPEra(of: request("tools/list", meta: meta))
        #expect(era == .stateless)
        let result = era.reply(to: 1, JSONObject(), mayBeCached: true)["result"]
        #expect(result?["resultType"] == "complete")
        #expect(result?["ttlMs"] == 3_600_000)
        #expect(result?["cacheScope"] == "private")
        #expect(result?["_meta"]?["io.modelcontextprotocol/serverInfo"]?["name"] == "pollux")
        #expect(era.reply(to: 1, JSONObject())["result"]?["ttlMs"] == nil)
    }

    @Test func `a request without a version is answered in the earlier form`() throws {
        for meta in [nil, [:], ["progressToken": 3]] as [JSONValue?] {
            let era = try MCPEra(of: request("tools/list", meta: meta))
            #expect(era == .handshake)
            #expect(
                era.reply(to: "x", JSONObject(), mayBeCached: true).text == #"{"jsonrpc":"2.0","id":"x","result":{}}"#)
        }
    }

    @Test func `an unknown version is refused with those that are supported`() {
        let key = "io.modelcontextprotocol/protocolVersion"
        let error = versionError(["io.modelcontextprotocol/protocolVersion": "2027-01-01"])
        #expect(error?.code.rawValue == -32_022)
        #expect(error?.data?["requested"] == "2027-01-01")
        #expect(error?.data?["supported"] == ["2026-07-28", "2025-11-25", "2025-06-18"])
        #expect(versionError([key: 3])?.code == .invalidParams)
        #expect(versionError([key: "2026-07-28"])?.code == .invalidParams)
    }

    @Test(arguments: [
        ("2025-11-25", "2025-11-25"), ("2025-06-18", "2025-06-18"), ("2024-11-05", "2025-11-25"),
        ("2026-07-28", "2025-11-25"), ("soon", "2025-11-25"),
    ])
    func `the handshake settles a version`(asked: String, settled: String) throws {
        let result = try MCPEra.handshake(JSONObject([("protocolVersion", .string(asked))]), instructions: "i")
        #expect(result["protocolVersion"] == .string(settled))
        #expect(result["serverInfo"]?["name"] == "pollux")
        #expect(throws: RPCError.self) { try MCPEra.handshake(JSONObject(), instructions: "i") }
    }
}
