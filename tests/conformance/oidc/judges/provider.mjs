// npm `oidc-provider` as a foreign provider for our node as relying party. One JSON object a line on stdin: rotate keys, end sessions, stop.
import crypto from "node:crypto";
import dns from "node:dns";
import http from "node:http";
import readline from "node:readline";
import { exportJWK, generateKeyPair } from "jose";
import Provider from "oidc-provider";

// names under .localhost are this machine (RFC 6761); the C library does not know them
const lookup = dns.lookup;
dns.lookup = (name, options, done) => {
  if (!name.endsWith(".localhost")) return lookup(name, options, done);
  if (typeof options === "function") return options(null, "127.0.0.1", 4);
  return options?.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4);
};

const { issuer, port, client_id, redirect_uri, jwks_uri, backchannel } = JSON.parse(process.argv[2]);

async function signer(kid) {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, use: "sig", alg: "ES256" };
}

function build(keys) {
  const provider = new Provider(issuer, {
    clients: [{
      client_id,
      redirect_uris: [redirect_uri],
      response_types: ["code"],
      grant_types: ["authorization_code"],
      token_endpoint_auth_method: "private_key_jwt",
      token_endpoint_auth_signing_alg: "ES256",
      id_token_signed_response_alg: "ES256",
      jwks_uri,
      backchannel_logout_uri: backchannel,
      backchannel_logout_session_required: true,
      require_pushed_authorization_requests: true,
      dpop_bound_access_tokens: true,
    }],
    jwks: { keys },
    pkce: { required: () => true },
    scopes: ["openid", "profile"],
    claims: { openid: ["sub"], profile: ["name"] },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      backchannelLogout: { enabled: true },
      userinfo: { enabled: true },
      rpInitiatedLogout: { enabled: true },
    },
    enabledJWA: {
      idTokenSigningAlgValues: ["ES256"],
      clientAuthSigningAlgValues: ["ES256"],
      dPoPSigningAlgValues: ["ES256", "Ed25519"],
    },
    // everything here is on this machine, which the library by itself would not fetch from
    fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
    cookies: { keys: ["demo"] },
    ttl: { AccessToken: 300, IdToken: 300, Session: 600, Interaction: 600, Grant: 600 },
    interactions: { url: (_, interaction) => `/agree/${interaction.uid}` },
    findAccount: async (_, id) => ({ accountId: id, claims: async () => ({ sub: id, name: "外省演示人" }) }),
  });
  for (const what of ["server_error", "pushed_authorization_request.error", "authorization.error", "grant.error", "userinfo.error"]) {
    provider.on(what, (_, error) => process.stderr.write(`${what}: ${error.message} ${error.error_description ?? ""} ${error.error_detail ?? ""}\n`));
  }
  return provider;
}

const keys = [await signer("foreign-1")];
let provider = build(keys);
let answer = provider.callback();

// whoever comes is "visitor-1" and agrees: what is judged is the client, not this page
async function agree(request, response) {
  const details = await provider.interactionDetails(request, response);
  const accountId = "visitor-1";
  const grant = new provider.Grant({ accountId, clientId: client_id });
  grant.addOIDCScope("openid profile");
  const grantId = await grant.save();
  const result = details.prompt.name === "login" ? { login: { accountId }, consent: { grantId } } : { consent: { grantId } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

const server = http.createServer((request, response) => {
  if (!request.url.startsWith("/agree/")) return answer(request, response);
  agree(request, response).catch((error) => {
    process.stderr.write(`${error.stack}\n`);
    response.writeHead(500).end();
  });
});
server.listen(port, "127.0.0.1", () => process.stdout.write('{"ready":true}\n'));

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { step, sub, sid } = JSON.parse(line);
  let value = {};
  try {
    if (step === "rotate") {
      keys.unshift(await signer(`foreign-${crypto.randomUUID()}`));
      provider = build(keys);
      answer = provider.callback();
    } else if (step === "end") {
      const client = await provider.Client.find(client_id);
      await client.backchannelLogout(sub, sid);
    }
  } catch (error) {
    value = { error: String(error.stack) };
  }
  process.stdout.write(JSON.stringify(value) + "\n");
}
