/** Requests and answers of HTTP/1.1 and HTTP/2: Node gives both the same shape. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';

export type AnyRequest = IncomingMessage | Http2ServerRequest;
export type AnyResponse = ServerResponse | Http2ServerResponse;
/** What an answer in JSON needs of it. */
export interface AnswerSink {
  setHeader(name: string, value: string): unknown;
  writeHead(status: number, headers: OutgoingHttpHeaders): unknown;
  end(text: string): unknown;
}
export type RequestListener = (request: AnyRequest, response: AnyResponse) => void;
