import HTTPTypes
import Hummingbird
import LocalAPIContract
import NIOCore
import VerbatimJSON

extension Request {
    /// What the body says that it is, in lower case; empty where it says nothing.
    var mediaType: String { headers[.contentType]?.lowercased() ?? "" }

    /// The body as one JSON document; an empty one is refused.
    ///
    /// Any media type will do but those that say that it is something else: `curl -d` sends a form's type.
    func json() async throws -> JSONValue { try await json(of: mediaType) }

    /// The same, where the media type is known.
    func json(of type: String) async throws -> JSONValue {
        guard !type.hasPrefix(MediaType.jsonLines), !type.hasPrefix("multipart/") else {
            throw Problem(
                .unsupportedMediaType, ProblemCode.unsupportedMediaType, title: "The body is of another type",
                "This route takes one JSON document, with the type \(MediaType.json).")
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
            // The client went away or sent chunks that are none; whoever still listens is told so.
            throw Problem(
                .badRequest, "bad_request", title: "The request was not understood",
                "The body broke off or its chunks are malformed, so nothing was done. Send the request again.")
        }
    }
}

extension JSONValue {
    /// Reads what a client sent; what is not JSON becomes the answer that says where.
    init(line bytes: some Collection<UInt8>) throws(Problem) {
        guard !bytes.isEmpty else {
            throw Problem(
                .badRequest, ProblemCode.invalidJSON, title: "The body is not JSON",
                "The body is empty; a JSON object is expected.")
        }
        do throws(JSONSyntaxError) {
            try self.init(parsing: bytes)
        } catch {
            throw Problem(.badRequest, ProblemCode.invalidJSON, title: "The body is not JSON", error.message)
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
