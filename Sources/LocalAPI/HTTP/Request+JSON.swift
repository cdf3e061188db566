import HTTPTypes
import Hummingbird
import LocalAPIContract
import NIOCore
import VerbatimJSON

extension Request {
    /// The media type of the body, in lower case; empty if there is none.
    var mediaType: String { headers[.contentType]?.lowercased() ?? "" }

    /// Parses the body as one JSON document; an empty body is rejected.
    ///
    /// Any media type is accepted except JSON lines and multipart, because `curl -d` sends a form's type.
    func json() async throws -> JSONValue { try await json(of: mediaType) }

    /// The same for a known media type.
    func json(of type: String) async throws -> JSONValue {
        guard !type.hasPrefix(MediaType.jsonLines), !type.hasPrefix("multipart/") else {
            throw Problem(
                .unsupportedMediaType, ProblemCode.unsupportedMediaType, title: "Unsupported media type",
                "This route accepts one JSON document of type \(MediaType.json).")
        }
        let body = try await wholeBody()
        guard body.readableBytes > JSONValue.handledAtOnce else { return try JSONValue(line: body.readableBytesView) }
        return try await offEventLoop { try JSONValue(line: body.readableBytesView) }
    }

    private func wholeBody() async throws -> ByteBuffer {
        do {
            return try await body.collect(upTo: LocalAPI.maxBodyBytes)
        } catch let error as any HTTPResponseError {
            throw error
        } catch let error as Problem {
            throw error
        } catch let error as CancellationError {
            throw error
        } catch {
            // The client disconnected or sent malformed chunks.
            throw Problem(
                .badRequest, "bad_request", title: "Bad request",
                "The body ended early or its chunks are malformed, so nothing was done. Send the request again.")
        }
    }
}

extension JSONValue {
    /// Parses JSON from a client. The problem says where it is invalid.
    init(line bytes: some Collection<UInt8>) throws(Problem) {
        guard !bytes.isEmpty else {
            throw Problem(
                .badRequest, ProblemCode.invalidJSON, title: "Invalid JSON",
                "The body is empty; a JSON object is expected.")
        }
        do throws(JSONSyntaxError) {
            try self.init(parsing: bytes)
        } catch {
            throw Problem(.badRequest, ProblemCode.invalidJSON, title: "Invalid JSON", error.message)
        }
    }
}

extension Response {
    /// A JSON document.
    init(_ status: HTTPResponse.Status = .ok, json: JSONValue, location: String? = nil) {
        var headers: HTTPFields = [.contentType: MediaType.json]
        headers[.location] = location
        self.init(
            status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: json.utf8)))
    }
}
