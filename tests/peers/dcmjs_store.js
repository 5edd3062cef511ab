// Sends files with dcmjs-dimse, which encodes them anew; prints name and status of each.
const { Client, log, requests } = require('dcmjs-dimse');
if (log && log.clear) log.clear();
const [host, port, ...files] = process.argv.slice(2);
const client = new Client();
for (const file of files) {
  const request = new requests.CStoreRequest(file);
  request.on('response', (r) => {
    const status = r.getStatus().toString(16).padStart(4, '0');
    console.log(`stored ${file.split('/').pop()} ${status}`);
  });
  client.addRequest(request);
}
client.on('networkError', () => process.exit(2));
client.send(host, Number(port), 'DCMJS', 'GATEWAY');
