/**
 * Topic key — the form in which topics and filters are compared: text whose UTF-16 units are the
 * bytes of the UTF-8 form. Cheap to take from the bytes of a packet or a record (`topicKeyOf`
 * of #mqtt); what comes as text is converted here.
 */
export function topicKey(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
