// npm @arduino/arduino-iot-client 3.0.0, used as its documentation shows; prints what it got as one line of JSON.
// argv: configuration as JSON {server, ca, client, secret, organization, csr}. NODE_PATH leads to the package.
const fs = require("fs");
const https = require("https");
const iot = require("@arduino/arduino-iot-client");

const config = JSON.parse(process.argv[2]);
const agent = new https.Agent({ ca: fs.readFileSync(config.ca), keepAlive: true });

function token() {
    const form = new URLSearchParams({ grant_type: "client_credentials", client_id: config.client,
        client_secret: config.secret, audience: "https://api2.arduino.cc/iot", organization_id: config.organization }).toString();
    return new Promise((resolve, reject) => {
        const request = https.request(config.server + "/iot/v1/clients/token", { method: "POST", agent,
            headers: { "content-type": "application/x-www-form-urlencoded", "content-length": Buffer.byteLength(form) } }, answer => {
            let body = "";
            answer.on("data", part => body += part);
            answer.on("end", () => resolve(JSON.parse(body).access_token));
        });
        request.on("error", reject);
        request.end(form);
    });
}

async function refused(call) {
    try {
        await call();
    } catch (error) {
        return { status: error.status, detail: error.response.body.detail };
    }
    throw new Error("was not refused");
}

async function main() {
    const client = iot.ApiClient.instance;
    client.basePath = config.server;
    client.requestAgent = agent;
    client.defaultHeaders["X-Organization"] = config.organization;
    client.authentications.oauth2.accessToken = await token();
    const devices = new iot.DevicesV2Api(client), certs = new iot.DevicesV2CertsApi(client), tags = new iot.DevicesV2TagsApi(client);
    const things = new iot.ThingsV2Api(client);
    const got = {};

    got.created = await devices.devicesV2Create({ name: "from-npm", type: "mkrwifi1010", fqbn: "arduino:samd:mkrwifi1010",
        serial: "0123456789ABCDEF" });
    const id = got.created.id;
    got.certificate = await certs.devicesV2CertsCreate(id, { csr: config.csr, ca: "Arduino", enabled: true });
    got.certificates = await certs.devicesV2CertsList(id);
    got.one = await certs.devicesV2CertsShow(got.certificate.id, id);
    await tags.devicesV2TagsUpsert(id, { key: "room", value: "kitchen" });
    got.tags = await tags.devicesV2TagsList(id);
    got.listed = await devices.devicesV2List({ tags: ["room:kitchen"], acrossUserIds: false });
    got.not_listed = await devices.devicesV2List({ tags: ["room:attic"] });
    await tags.devicesV2TagsDelete(id, "room");
    got.updated = await devices.devicesV2Update(id, { name: "still-from-npm" });
    got.shown = await devices.devicesV2Show(id);
    got.refused = await refused(() => devices.devicesV2Create({ name: "x", type: "toaster" }));
    got.thing = await things.thingsV2Create({ name: "hall", timezone: "Europe/Rome" });
    got.attached = await things.thingsV2Update(got.thing.id, { device_id: id });
    got.things = await things.thingsV2List({ deviceId: id, showProperties: true });
    got.with_thing = await devices.devicesV2Show(id);
    got.properties = await devices.devicesV2GetProperties(id);
    got.detached = await things.thingsV2Update(got.thing.id, { device_id: null });
    await things.thingsV2Delete(got.thing.id);
    got.no_thing = await refused(() => things.thingsV2Show(got.thing.id));
    await certs.devicesV2CertsDelete(got.certificate.id, id);
    got.certificates_left = await certs.devicesV2CertsList(id);
    await devices.devicesV2Delete(id);
    got.gone = await refused(() => devices.devicesV2Show(id));
    console.log(JSON.stringify(got));
    agent.destroy();
}

main().catch(error => {
    console.error(error.response ? error.response.text : error);
    process.exit(1);
});
